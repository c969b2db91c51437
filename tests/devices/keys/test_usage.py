"""When keys were used and refused: noted in memory, written now and then, and never the key itself."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from devices import clock, keys
from devices.ingest.app import Ingest
from devices.keys import usage as key_usage
from devices.models import ApiKey, VpnServer
from fleets.access.digests import digests
from tests.devices.ingest import raw
from tests.devices.ingest.world import World, make_world
from tests.factories import T0, seconds


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def stored(key: str) -> ApiKey:
    return ApiKey.objects.get(digest=digests(key)[0])


def test_use_is_written_to_the_hour_and_once_in_it(world: World) -> None:
    usage = key_usage.Usage()
    for minutes, hour, written in ((5, T0, 1), (59, T0, 0), (60, T0 + timedelta(hours=1), 1)):
        for _ in range(3):
            usage.note_used(world.device_key)
        usage.note_used("unknown")
        assert usage.write(T0 + timedelta(minutes=minutes)) == written
        assert stored(world.device_key).last_used_at == hour
    usage.note_used(world.device_key)
    assert usage.write(T0) == 0  # time never goes back
    assert stored(world.device_key).last_used_at == T0 + timedelta(hours=1)


def test_nothing_to_write_asks_nobody(world: World) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert key_usage.Usage().write() == 0
    assert len(queries) == 0


def test_a_refusal_is_written_with_its_reason_and_only_of_keys_we_know(world: World) -> None:
    usage, at = key_usage.Usage(), clock.now()
    expired = keys.new_service_key(world.organization, expires_at=at - seconds(1))
    keys.revoke(stored(world.provisioning_key), at - seconds(1))
    refused = {world.service_key: "not for this call", expired: "expired", world.provisioning_key: "revoked"}
    for key in (*refused, "unknown"):
        usage.note_refused(key, "not for this call")
    assert usage.write(at) == 3
    for key, reason in refused.items():
        row = stored(key)
        assert row.last_refused_reason == reason
        assert row.last_refused_at is not None
        assert at - seconds(5) < row.last_refused_at <= at
        assert row.last_used_at is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(to_jsonb(k)::text, '') FROM devices_apikey k")
        assert world.service_key not in cursor.fetchone()[0]


def test_what_is_noted_is_bounded(world: World) -> None:
    usage = key_usage.Usage()
    for number in range(key_usage.USED_LIMIT + 1000):
        usage.note_used(f"key-{number}")
        usage.note_refused(f"key-{number}", "")
    assert len(usage._used) == key_usage.USED_LIMIT
    assert len(usage._refused) == key_usage.REFUSED_LIMIT
    with CaptureQueriesContext(connection) as queries:
        assert usage.write() == 0
    portions = (key_usage.USED_LIMIT + key_usage.REFUSED_LIMIT) / key_usage.ROWS
    begin_and_commit = 2  # of the portion that was refused
    assert len(queries) == 1 + portions + begin_and_commit


def test_who_is_being_written_elsewhere_is_left_for_the_next_time(world: World) -> None:
    usage, written = key_usage.Usage(), []

    def write() -> None:
        try:
            written.append(usage.write())
        finally:
            connection.close()

    usage.note_used(world.device_key)
    usage.note_used(world.service_key)
    with transaction.atomic():
        ApiKey.objects.filter(pk=stored(world.device_key).pk).update(name="held")
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(10)
    assert written == [1]


def test_calls_leave_notes_that_are_written_at_the_end(world: World) -> None:
    """Used: what was taken, whatever the dialect's status says. Refused: another kind, another's server."""

    ours = VpnServer.objects.create(organization=world.organization, name="ours")

    async def calls(app: Ingest) -> None:
        for method, path, key, body in (
            ("POST", "heartbeat", world.device_key, b""),
            ("POST", "heartbeat", world.provisioning_key, b""),
            ("POST", "vpn/connect", world.service_key, {"server": "ours", "devices": []}),
            ("PATCH", f"/v7/service_instance({ours.pk})", world.foreign_service_key, {"is_alive": True}),
        ):
            await raw.ask(app, raw.scope(method, path, key), raw.body_message(body))
        await app._admission.write_notes(app._threads)

    raw.run(calls)
    noted = {
        name: (key.last_used_at is not None, key.last_refused_reason)
        for name in ("device_key", "provisioning_key", "service_key", "foreign_service_key")
        for key in [stored(getattr(world, name))]
    }
    assert noted == {
        "device_key": (True, ""),
        "provisioning_key": (False, "not for this call"),
        "service_key": (True, ""),
        "foreign_service_key": (False, "another organization's server"),
    }


def test_what_a_slow_write_has_left_is_written_at_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_usage, "ROWS", 1)  # keys of a portion

    async def end_while_it_writes(app: Ingest) -> None:
        for key in (world.device_key, world.service_key):
            app._admission._usage.note_used(key)
        slow = asyncio.create_task(app._admission.write_notes(app._threads, pause=3600))
        await asyncio.sleep(0)
        slow.cancel()
        await app._admission.write_notes(app._threads)

    raw.run(end_while_it_writes)
    keys = (world.device_key, world.service_key)
    assert all(stored(key).last_used_at is not None for key in keys)
