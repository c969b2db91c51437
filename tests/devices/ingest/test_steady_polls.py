"""Polls of devices that keep polling: which of them one statement records, and that all others count too."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from devices import connectivity, keys
from devices.connectivity import steady as steady_polls
from devices.connectivity.steady import Poll, statement
from devices.ingest.app import Ingest
from devices.models import ConnectivityRecord, Device, Heartbeat
from devices.operations import lifecycle
from fleets.postgres.prepared import ONE_PLAN
from tests.at_once import WAIT, held_open, in_background
from tests.devices.ingest import raw
from tests.devices.ingest.world import ADDRESS, KEEP_POLLING, World, everything, make_device, write
from tests.factories import make_devices

SECOND = timedelta(seconds=1)


def steady(*polls: Poll) -> list[keys.KeyHolder | None]:
    """What the statement alone gives for these polls, sent at once."""

    async def work(app: Ingest) -> list[keys.KeyHolder | None]:
        return await asyncio.gather(*map(app.steady.submit, polls))

    found: list[keys.KeyHolder | None] = raw.run(work)
    return found


def of(world: World, **other: Any) -> Poll:
    return Poll(**{"key": world.device_key, "address": ADDRESS, "uuid": None, "supervisor": False} | other)


def test_a_steady_poll_extends_its_heartbeat_and_writes_nothing_else(polling: World) -> None:
    before, old = everything(), Heartbeat.objects.get()
    (device,) = steady(of(polling))
    assert device == keys.find_devices({polling.device_key}, old.last_poll_at)[polling.device_key]
    new = Heartbeat.objects.get()
    assert new.last_poll_at > old.last_poll_at
    window = (new.late_at - new.last_poll_at, new.lost_at - new.last_poll_at, new.due_at)
    assert window == (
        old.late_at - old.last_poll_at - SECOND,
        old.lost_at - old.last_poll_at - SECOND,
        new.late_at,
    )
    assert {**everything(), "devices_heartbeat": []} == {**before, "devices_heartbeat": []}


def test_the_window_follows_the_interval_in_force_and_the_least_of_a_supervisor(polling: World) -> None:
    Device.objects.filter(pk=polling.device.pk).update(poll_interval=60)
    for supervisor, seconds in ((False, 60), (True, 180), (False, 60)):
        assert steady(of(polling, supervisor=supervisor)) != [None]
        heartbeat = Heartbeat.objects.get()
        assert heartbeat.poll_interval == seconds
        assert (heartbeat.late_at - heartbeat.last_poll_at).total_seconds() == seconds * 1.5


# Each is SQL or a function that changes the world of a steady device; then its poll is left to others.
OTHERS: dict[str, str] = {
    "never polled": "DELETE FROM devices_heartbeat",
    "late": "UPDATE devices_heartbeat SET due_at = lost_at",
    "late, not recorded": (
        "UPDATE devices_heartbeat SET late_at = now() - interval '1 s', due_at = now() - interval '1 s'"
    ),
    "lost": "UPDATE devices_heartbeat SET due_at = NULL",
    "inactive": "UPDATE devices_device SET is_active = false",
    "another address": "UPDATE devices_device SET public_address = '203.0.113.9'",
    "a key that is revoked": "UPDATE devices_apikey SET revoked_at = now()",
    "a key that has expired": "UPDATE devices_apikey SET expires_at = now()",
    "a lease that has ended, not recorded": (
        "INSERT INTO devices_vpnserver (name, boot, organization_id, due_at, last_event_at, lease_until)"
        " SELECT 's', '', organization_id, now() - interval '1 s', now(), now() FROM devices_heartbeat;"
        "UPDATE devices_device SET vpn_connected = true, vpn_server_id = (SELECT id FROM devices_vpnserver)"
    ),
    "a newer poll": "UPDATE devices_heartbeat SET last_poll_at = now() + interval '1 minute'",
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_any_other_poll_is_left_alone(polling: World, change: str) -> None:
    write(change)
    before = everything()
    assert steady(of(polling)) == [None]
    assert everything() == before


@pytest.mark.parametrize(
    "other",
    [
        {"key": "unknown"},
        {"uuid": "b" * 32},
        {"uuid": "null"},
        {"uuid": '"},{"'},
        {"uuid": "ü"},
        {"uuid": ""},
    ],
    ids=str,
)
def test_a_poll_that_names_another_device_is_left_alone(polling: World, other: dict[str, str]) -> None:
    before = everything()
    assert steady(of(polling, **other)) == [None]
    assert everything() == before


def test_a_frozen_device_keeps_polling(polling: World) -> None:
    write("UPDATE devices_device SET frozen_reason = 'unpaid'")
    (device,) = steady(of(polling, uuid=polling.device.uuid))
    assert device is not None
    assert device.frozen_reason == "unpaid"


def test_of_an_address_that_is_not_known_nothing_follows(polling: World) -> None:
    assert steady(of(polling, address="")) != [None]


def test_polls_of_several_devices_and_of_one_twice_get_their_own_answers(polling: World) -> None:
    other = make_device(polling.fleet, "c", name="other", public_address="2001:db8::7")
    other_key = keys.new_device_key(other)
    connectivity.record_heartbeats([other.pk])
    write(KEEP_POLLING)
    found = steady(
        of(polling),
        of(polling, key="unknown"),
        of(polling, key=other_key, address="2001:db8::7"),
        of(polling),
        of(polling, uuid="b" * 32),
    )
    assert [device and device.device_id for device in found] == [
        polling.device.pk, None, other.pk, polling.device.pk, None,
    ]  # fmt: skip


def call(world: World) -> int:
    return raw.all_of(partial(raw.heartbeat, key=world.device_key))[0].status


def test_a_poll_that_is_not_steady_goes_the_other_way(polling: World) -> None:
    write(OTHERS["lost"])
    assert call(polling) == 200
    assert Heartbeat.objects.get().due_at is not None


@pytest.mark.parametrize("found", ["h.ctid = w.place", "h.device_id = w.device_id"], ids=["new", "old"])
def test_a_poll_that_waited_for_settle_is_recorded_after_it(
    polling: World, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    """Its heartbeat is late meanwhile, and recent from this poll on.

    Old releases of PostgreSQL find a row that was changed meanwhile, at its new place.
    """
    monkeypatch.setattr(steady_polls, "EXTEND", steady_polls.EXTEND.replace("h.ctid = w.place", found))
    write("UPDATE devices_heartbeat SET late_at = now() + interval '1 s', due_at = now() + interval '1 s'")
    late_at = Heartbeat.objects.get().late_at
    answered: list[int] = []
    with held_open(lambda: connectivity.settle(late_at)):
        poll = in_background(lambda: answered.append(call(polling)))
    poll.join(WAIT)
    polling.device.refresh_from_db()
    assert answered == [200]
    assert polling.device.heartbeat_state == "recent"
    records = ConnectivityRecord.objects.order_by("id").values_list("after", flat=True)
    assert [*records] == ["recent", "late", "recent"]


def test_a_deactivation_waits_for_a_poll_and_is_refused(polling: World) -> None:
    refused: list[Exception] = []

    def deactivate() -> None:
        with suppress(lifecycle.StillConnected):
            lifecycle.deactivate(device=polling.device, actor=None)
            refused.append(AssertionError("not refused"))

    with held_open(lambda: write("UPDATE devices_heartbeat SET last_poll_at = now()")):
        waiting = in_background(deactivate)
    waiting.join(WAIT)
    assert not refused


def analyzed(world: World, more: int = 30) -> list[Device]:
    """More devices that keep polling; the planner's statistics know how small the tables are."""
    make_devices(world.fleet, more)
    devices = [*Device.objects.exclude(pk=world.device.pk).filter(fleet=world.fleet).order_by("pk")]
    for device in devices:
        keys.new_device_key(device)
    connectivity.record_heartbeats([device.pk for device in devices])
    write(KEEP_POLLING)
    write("ANALYZE")
    return devices


def test_heartbeats_are_locked_by_ascending_id_wherever_their_rows_are(polling: World) -> None:
    *_, other = analyzed(polling)
    other_key = keys.new_device_key(other)
    write(f"{KEEP_POLLING} WHERE device_id = {polling.device.pk}")  # its row is behind the other's now
    found: list[keys.KeyHolder | None] = []
    locking = "SELECT FROM devices_heartbeat WHERE device_id = {} FOR UPDATE NOWAIT"
    with held_open(lambda: write(locking.format(polling.device.pk))):
        asked = (of(polling, key=other_key, address=""), of(polling))
        polls = in_background(lambda: found.extend(steady(*asked)))
        write(locking.format(other.pk))
    polls.join(WAIT)
    assert [device and device.device_id for device in found] == [other.pk, polling.device.pk]


@pytest.mark.parametrize(
    ("more", "tables", "number"),
    [(0, "devices_heartbeat", 2), (30, "(devices_(apikey|device|heartbeat)|fleets_fleet)", 5)],
    ids=["one device", "some devices"],
)
def test_it_reads_by_indexes_however_small_the_tables_were_when_it_was_planned(
    polling: World, more: int, tables: str, number: int
) -> None:
    analyzed(polling, more)
    with raw.another_connection() as other:
        other.execute(ONE_PLAN)
        other.execute(f"PREPARE polls AS {statement()}".encode())
        plan = [line for (line,) in other.execute("EXPLAIN EXECUTE polls('{}', '{}', '{}', '{}')")]
    scans = [(line, then) for line, then in pairwise(plan) if re.search(f"Scan.* on {tables} ", line)]
    assert len(scans) == number
    assert [line for line, then in scans if not re.search("(Index|Recheck|TID) Cond", then)] == []


def test_it_is_not_compiled_just_in_time(world: World) -> None:
    """Whatever its plan costs, and however many rows it is to read."""
    with raw.another_connection() as other:
        other.execute("SET jit = on")
        other.execute(ONE_PLAN)
        assert other.execute("SHOW jit").fetchone() == ("off",)


def end_connection() -> None:
    """Let the database end the connection of the statement, as an administrator may, or a failover."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name) as own:
        own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'prepared' AND datname = current_database()"
        )


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_without_its_connection_every_poll_is_answered(polling: World, when: str) -> None:
    async def work(app: Ingest) -> tuple[int, int]:
        if when == "before":
            await asyncio.to_thread(end_connection)
            first = await raw.heartbeat(app, polling.device_key)
        else:
            with raw.another_connection() as other:
                other.execute("SELECT FROM devices_heartbeat FOR UPDATE")
                waiting = asyncio.create_task(raw.heartbeat(app, polling.device_key))
                while app.longest_wait() < 0.2:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(end_connection)
                while app.waiting.longest() <= 0:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0)
                assert app.longest_wait() > 0.2, "it waits since it came, whichever way it goes"
            first = await waiting
        async with asyncio.timeout(WAIT):
            while not app.steady.can_commit:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        return first.status, (await raw.heartbeat(app, polling.device_key)).status

    assert raw.run(work) == (200, 200)


def test_an_error_of_the_statement_leaves_its_polls_and_the_next_batch_to_others(polling: World) -> None:
    async def work(app: Ingest) -> list[int]:
        with raw.another_connection() as other:
            other.execute("SELECT FROM devices_heartbeat FOR UPDATE")
            first = asyncio.create_task(raw.heartbeat(app, polling.device_key))
            while not app.steady.longest_wait():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            second = asyncio.create_task(raw.heartbeat(app, polling.device_key))
            await asyncio.sleep(0)
        return [answer.status for answer in await asyncio.wait_for(asyncio.gather(first, second), WAIT)]

    with raw.trouble("devices_heartbeat", polling.device.pk, "RAISE EXCEPTION 'no'", times=1):
        assert raw.run(work) == [200, 200]


def test_a_batch_of_any_size_is_sent(polling: World) -> None:
    """Megabytes are more than the kernel takes at once, so the connection is written and read in turns."""
    long = [of(polling, key=f"unknown-{number}", uuid="a" * 30_000) for number in range(200)]
    found = steady(*long, of(polling))
    assert [device is not None for device in found] == [False] * 200 + [True]
