"""Many contacts, few transactions; one culprit, one error; nobody is told more than is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from devices import keys
from devices.ingest import contacts
from devices.ingest.app import CALLS_UNDER_WAY, Ingest
from devices.ingest.contacts import Contact
from devices.ingest.group_commit import BATCH_ITEMS, QUEUE_WEIGHT, GroupCommit
from devices.ingest.http import Refused
from devices.models import Device, Heartbeat, VpnServer
from tests.devices.ingest import raw
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, everything, make_device
from tests.worker import PATIENCE

FAIL = "RAISE EXCEPTION 'no row for \"device\"' USING DETAIL = 'a detail'"
DEADLOCK = "RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'"
BROKEN = "PERFORM pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def devices(world: World) -> dict[str, Device]:
    """Thirty devices by key."""
    made = [make_device(world.fleet, f"{n:032x}") for n in range(30)]
    return {keys.new_device_key(device): device for device in made}


def polled() -> set[int]:
    return set(Heartbeat.objects.values_list("pk", flat=True))


def transactions(table: str) -> int:
    """By how many transactions the rows of this table were written."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(DISTINCT xmin::text) FROM {table}")  # noqa: S608
        return int(cursor.fetchone()[0])


def test_heartbeats_in_flight_share_transactions(devices: dict[str, Device]) -> None:
    answers = raw.all_of(*(partial(raw.heartbeat, key=key) for key in devices))
    assert [answer.status for answer in answers] == [200] * 30
    assert polled() == {device.pk for device in devices.values()}
    assert transactions("devices_heartbeat") <= 2


def test_reports_in_flight_share_transactions(devices: dict[str, Device]) -> None:
    calls = [partial(raw.heartbeat, key=key, body={"release": key[:9]}) for key in devices]
    assert [answer.status for answer in raw.all_of(*calls)] == [200] * 30
    for key, device in devices.items():
        device.refresh_from_db()
        assert device.release == key[:9]
    assert polled() == {device.pk for device in devices.values()}
    assert transactions("devices_heartbeat") <= 2


def test_heartbeats_over_many_connections(devices: dict[str, Device], client: Client) -> None:
    async def work() -> list[int]:
        clients = [client.another() for _ in devices]
        try:
            polls = [
                asyncio.to_thread(each.call, "POST", "heartbeat", key)
                for each, key in zip(clients, devices, strict=True)
            ]
            return [answer.status for answer in await asyncio.gather(*polls)]
        finally:
            for each in clients:
                each.close()

    assert asyncio.run(work()) == [200] * 30
    assert polled() == {device.pk for device in devices.values()}
    assert transactions("devices_heartbeat") < 30


@pytest.mark.parametrize("body", [b"", {"release": "1"}], ids=["polls", "reports"])
def test_only_the_culprit_gets_the_error(
    devices: dict[str, Device], body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    culprit = list(devices.values())[17]
    calls = [partial(raw.heartbeat, key=key, body=body) for key in devices]
    with raw.trouble("devices_heartbeat", culprit.pk, FAIL):
        answers = raw.all_of(*calls)
    assert [answer.status for answer in answers] == [200] * 17 + [500] + [200] * 12
    assert set(answers[17].json) == {"error"}
    assert "device" not in answers[17].text
    assert polled() == {device.pk for device in devices.values()} - {culprit.pk}
    (line,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert line.startswith("POST '/api/v1/heartbeat': ProgrammingError at ")
    assert "devices/connectivity/heartbeats.py" in line
    assert line.endswith(': no row for "device"')
    assert not any(key in line for key in devices)


def test_a_heartbeat_with_a_report_counts_both_or_neither(world: World) -> None:
    before = everything()
    with raw.trouble("devices_device", world.device.pk, FAIL):
        (answer,) = raw.all_of(partial(raw.heartbeat, key=world.device_key, body={"release": "1"}))
    assert answer.status == 500
    assert everything() == before


def test_a_deadlock_is_tried_again(devices: dict[str, Device]) -> None:
    victim = next(iter(devices.values()))
    with raw.trouble("devices_heartbeat", victim.pk, DEADLOCK, times=1):
        answers = raw.all_of(*(partial(raw.heartbeat, key=key) for key in devices))
    assert [answer.status for answer in answers] == [200] * 30
    assert polled() == {device.pk for device in devices.values()}


def test_a_broken_connection_costs_its_batch_only(world: World, client: Client) -> None:
    calls = (
        ("POST", "heartbeat", world.device_key, None),
        ("PATCH", "report", world.device_key, {"release": "1"}),
        ("POST", "vpn/connect", world.service_key, {"server": "s", "devices": [world.device.uuid]}),
    )
    for method, path, key, body in calls:
        table = "devices_heartbeat" if path == "heartbeat" else "devices_device"
        before = everything()
        with raw.trouble(table, world.device.pk, BROKEN, times=1):
            broken = client.call(method, path, key, body)
            assert (broken.status, set(broken.json)) == (503, {"error"})
            assert "retry-after" not in broken.headers
            assert everything() == before
            assert client.call(method, path, key, body).status < 300


def test_a_poll_with_a_report_locks_and_settles_its_device_once(world: World, settings: Settings) -> None:
    settings.PREPARED_STATEMENTS = False  # so that they are seen whole
    poll = Contact(world.device_key, is_poll=True, report={"release": "1"}, address="192.0.2.1")
    first, second = [poll], [replace(poll, report={"release": "2"})]
    assert contacts.commit(first) == contacts.commit(first)
    with CaptureQueriesContext(connection) as asked:
        (holder,) = contacts.commit(second)
    assert isinstance(holder, keys.KeyHolder)
    assert Device.objects.get(pk=holder.device_id).release == "2"
    work = [each["sql"] for each in asked if each["sql"] not in {"BEGIN", "COMMIT"}]
    assert len(work) == 5  # key and clock, locks, poll, row, report
    assert sum("FOR NO KEY UPDATE" in sql and "devices_device" in sql for sql in work) == 1


def test_the_next_batch_gathers_while_one_commits() -> None:
    batches: list[list[int]] = []

    def commit(batch: list[int]) -> list[int | Exception]:
        batches.append(batch)
        return [KeyError(item) if item == 3 else item * 2 for item in batch]

    async def work() -> list[int | BaseException]:
        group = GroupCommit(commit)
        answers = await asyncio.gather(
            *(group.submit(item) for item in range(BATCH_ITEMS + 10)), return_exceptions=True
        )
        await group.stop()
        return answers

    answers = asyncio.run(work())
    assert [repr(answer) for answer in answers[2:5]] == ["4", "KeyError(3)", "8"]
    assert [len(batch) for batch in batches] == [BATCH_ITEMS, 10]


def test_a_commit_that_raises_leaves_nobody_waiting() -> None:
    def commit(batch: list[int]) -> list[int | Exception]:
        return [1 // item for item in batch]

    async def work() -> list[str]:
        group = GroupCommit(commit)
        failed = await asyncio.gather(group.submit(0), group.submit(1), return_exceptions=True)
        answers = [*map(repr, failed), repr(await group.submit(1))]
        await group.stop()
        return answers

    error = "ZeroDivisionError('integer division or modulo by zero')"
    assert asyncio.run(work()) == [error, error, "1"]


def test_who_cannot_be_answered_leaves_nobody_waiting() -> None:
    answered: list[int | Exception] = []

    def fail(_: int | Exception) -> None:
        raise OSError("no")

    async def work() -> None:
        group = GroupCommit(list[Any])
        for item, done in enumerate((answered.append, fail, answered.append)):
            group.enqueue(item, done)
        assert await group.submit(3) == 3
        await group.stop()

    asyncio.run(work())
    assert answered == [0, 2]


def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    async def work() -> None:
        group = GroupCommit(list[Any])
        half = QUEUE_WEIGHT // 2
        first = asyncio.create_task(group.submit(1, half))
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refusal:
            await group.submit(2, half)
        assert refusal.value.status == 503
        assert await first == 1
        assert await group.submit(3, half) == 3
        await group.stop()

    asyncio.run(work())


def test_too_many_calls_under_way_are_refused_at_once(world: World) -> None:
    VpnServer.objects.create(name="s", organization=world.organization)
    body = raw.body_message({"server": "s", "devices": []})

    async def work(app: Ingest, other: Any) -> tuple[int, list[int]]:
        other.execute("SELECT FROM devices_vpnserver FOR UPDATE")
        asked = raw.scope("POST", "vpn/connect", world.service_key)
        waiting = [asyncio.create_task(raw.ask(app, asked, body)) for _ in range(CALLS_UNDER_WAY)]
        while app._under_way < CALLS_UNDER_WAY:  # noqa: ASYNC110 - the app has no event for it
            await asyncio.sleep(0.01)
        refused = await asyncio.wait_for(raw.ask(app, asked, body), PATIENCE)
        assert not any(task.done() for task in waiting)
        other.rollback()
        served = [answer.status for answer in await asyncio.gather(*waiting) if answer]
        assert refused is not None
        return refused.status, served

    with raw.another_connection() as other:
        assert raw.run(partial(work, other=other)) == (503, [200] * CALLS_UNDER_WAY)


def statuses_at_a_stop(table: str, keys: Iterable[str], body: Any = b"") -> list[int]:
    """How polls with these keys are answered where the app stops while they wait for a locked table."""

    async def work(app: Ingest, other: Any) -> list[int]:
        other.execute(f"LOCK TABLE {table}")
        polls = [asyncio.create_task(raw.heartbeat(app, key, body)) for key in keys]
        await asyncio.sleep(0.2)
        stopping = asyncio.create_task(app.stop())
        await asyncio.sleep(0)
        assert not any(task.done() for task in (*polls, stopping))
        other.rollback()
        await stopping
        return [answer.status for answer in await asyncio.gather(*polls)]

    with raw.another_connection() as other:
        statuses: list[int] = raw.run(partial(work, other=other))
    return statuses


@pytest.mark.parametrize("body", [b"", {"release": "1"}])
def test_stopping_also_answers_who_is_asked_about_after_the_batch(world: World, body: Any) -> None:
    """Whether a key that is not accepted was somebody's is looked up in a thread that ends with the app."""
    assert statuses_at_a_stop("devices_apikey", [f"stranger-{n}" for n in range(3)], body) == [401] * 3


def test_stopping_answers_what_was_accepted(devices: dict[str, Device]) -> None:
    assert statuses_at_a_stop("devices_heartbeat", devices) == [200] * 30
    assert polled() == {device.pk for device in devices.values()}
