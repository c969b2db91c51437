"""What the calls of devices and VPN servers do to keys, in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from devices import clock, keys
from devices.ingest.app import Ingest
from devices.keys import usage as key_usage
from devices.models import ApiKey, Device, VpnServer
from fleets import audit
from fleets.models import AuditEntry, Organization
from tests.devices.ingest import raw
from tests.devices.ingest.world import World, make_world
from tests.devices.keys.audit_lines import CHOSEN, print_of, stored
from tests.factories import T0, make_device, make_fleet, make_organization, seconds


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization(name="Halden")


@pytest.fixture
def device(organization: Organization) -> Device:
    return make_device(make_fleet(organization, slug="kiosks"), name="kiosk-1")


@pytest.fixture(autouse=True)
def no_secret(db: None) -> Iterator[None]:
    """Whatever a test does, the log holds no key and no digest of one."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(string_agg(to_jsonb(e)::text, ' '), '') FROM fleets_auditentry e")
        text = cursor.fetchone()[0]
    assert CHOSEN not in text
    for key in ApiKey.objects.all():
        assert bytes(key.digest).hex()[:13] not in text


# What devices and VPN servers do


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def lines_since(mark: int) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(pk__gt=mark).order_by("pk"))


def mark() -> int:
    return AuditEntry.objects.latest("pk").pk


def ask(world: World, *calls: tuple[str, str, str, Any], peer: str = "203.0.113.7") -> list[int]:
    """The statuses of these calls, after which the notes on their keys are written."""
    statuses = []

    async def all_of(app: Ingest) -> None:
        for method, path, key, body in calls:
            asked = raw.scope(method, path, key, peer=peer)
            answer = await raw.ask(app, asked, raw.body_message(body))
            assert answer
            statuses.append(answer.status)
        await app._admission.write_notes(app._threads)

    raw.run(all_of)
    return statuses


def test_a_registration_tells_by_which_key_and_from_where(world: World) -> None:
    before = mark()
    body = {"uuid": "c" * 32, "name": "kiosk-2"}
    calls = [("POST", "register", world.provisioning_key, body)] * 2
    assert ask(world, *calls) == [201, 409]
    (entry,) = lines_since(before)
    key = stored(world.provisioning_key)
    assert entry.action == "device-registered"
    assert (entry.actor_name, entry.address) == (f"provisioning key {key.fingerprint}", "203.0.113.7")
    assert (entry.subject_kind, entry.subject_id, entry.subject_name) == ("device", "c" * 32, "kiosk-2")
    assert entry.after == {"fleet": "kiosks", "provisioning_key": key.fingerprint}
    assert entry.organization_id == world.organization.pk


def test_polls_reports_and_vpn_events_are_no_lines(world: World) -> None:
    before = mark()
    statuses = ask(
        world,
        ("POST", "heartbeat", world.device_key, {"os_version": "12"}),
        ("PATCH", "report", world.device_key, {"os_version": "13"}),
        ("POST", "vpn/connect", world.service_key, {"server": "v", "devices": [world.device.uuid]}),
        ("POST", "vpn/disconnect", world.service_key, {"server": "v", "devices": [world.device.uuid]}),
    )
    assert statuses == [200, 204, 200, 200]
    assert lines_since(before) == []


def test_an_exchange_is_told_once(world: World) -> None:
    before, caller = mark(), stored(world.device_key)
    with audit.coming_from("203.0.113.7"):
        keys.exchange(device_id=world.device.pk, caller=caller, new_key=CHOSEN, at=clock.now())
    own = stored(CHOSEN)
    keys.exchange(device_id=world.device.pk, caller=own, new_key=CHOSEN, at=clock.now())
    (entry,) = lines_since(before)
    assert (entry.action, entry.subject_id) == ("key-exchanged", world.device.uuid)
    assert (entry.actor_name, entry.address) == (f"device {world.device}", "203.0.113.7")
    assert (entry.before, entry.after) == ({"key": [caller.fingerprint]}, {"key": own.fingerprint})


def test_an_exchange_that_is_refused_is_no_change(world: World) -> None:
    before = mark()
    with pytest.raises(keys.NotAllowed):
        keys.exchange(device_id=world.stranger.pk, caller=stored(world.device_key), new_key=CHOSEN)
    with pytest.raises(keys.Guessable):
        keys.exchange(device_id=world.device.pk, caller=stored(world.device_key), new_key="short")
    assert lines_since(before) == []


def test_refused_attempts_tell_why_and_from_where(world: World) -> None:
    keys.revoke(stored(world.device_key))
    before = mark()
    body = {"server": "ours", "devices": []}
    assert ask(world, ("POST", "vpn/connect", world.service_key, body)) == [200]
    statuses = ask(
        world,
        ("POST", "heartbeat", world.device_key, b""),
        ("POST", "heartbeat", world.provisioning_key, b""),
        (
            "PATCH",
            f"/v7/service_instance({VpnServer.objects.get().pk})",
            world.foreign_service_key,
            {"is_alive": True},
        ),
        ("POST", "heartbeat", "nobodys", b""),
    )
    assert statuses == [401] * 4
    entries = {entry.subject_id: entry for entry in lines_since(before)}
    assert {who: (entry.after or {}).get("reason") for who, entry in entries.items()} == {
        world.device.uuid: "revoked",
        print_of(world.provisioning_key): "not for this call",
        print_of(world.foreign_service_key): "another organization's server",
    }
    assert {(e.action, e.address, e.actor_id) for e in entries.values()} == {
        ("key-refused", "203.0.113.7", None)
    }
    assert entries[print_of(world.foreign_service_key)].organization_name == "theirs"


def test_a_flood_writes_one_line_a_minute_whichever_processes_it_meets(world: World) -> None:
    before = mark()
    for second, lines in ((10, 1), (20, 1), (59, 1), (61, 2), (100, 2), (130, 3)):
        process = key_usage.Usage()
        for _ in range(50):
            process.note_refused(world.device_key, "not for this call", "203.0.113.7")
        assert process.write(T0 + seconds(second)) == 1
        assert len(lines_since(before)) == lines
    assert stored(world.device_key).last_refused_at is not None


def test_a_line_of_a_refusal_is_dated_when_it_was_refused(world: World) -> None:
    before, usage, at = mark(), key_usage.Usage(), clock.now()
    usage.note_refused(world.device_key, "not for this call")
    usage.write(at)
    (entry,) = lines_since(before)
    assert entry.at == stored(world.device_key).last_refused_at
    assert entry.address is None
