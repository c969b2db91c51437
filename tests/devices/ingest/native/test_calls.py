"""What each call does and answers when all is well, seen over HTTP (protocol.md, Native)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connections
from pytest_django import Settings

from devices import clock, keys
from devices.models import ApiKey, Device, Heartbeat, VpnServer
from devices.status.reading import with_status
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, everything, make_device
from tests.still import stand_still

REPORT = {
    "os_version": "balenaOS 6.1",
    "supervisor_version": "17.0.1",
    "release": "1a2b",
    "target_release": "3c4d",
    "ip_addresses": ["192.0.2.7", "2001:db8::7"],
    "mac_addresses": ["00:00:5e:00:53:01"],
    "provisioning_state": "",
    "provisioning_progress": None,
    "update_status": "downloading",
    "update_progress": 0,
}


def test_register_gives_a_device_with_a_key_that_polls(world: World, client: Client) -> None:
    answer = client.call("POST", "register", world.provisioning_key, {"name": "Door", "device_type": "pi"})
    assert answer.status == 201
    assert set(answer.json) == {"uuid", "key", "poll_interval"}
    assert answer.json["poll_interval"] == 300
    device = Device.objects.get(uuid=answer.json["uuid"])
    assert (device.fleet, device.name, device.device_type) == (world.fleet, "Door", "pi")
    assert device.is_active
    assert device.provisioned_at is not None
    assert client.call("POST", "heartbeat", answer.json["key"]).status == 200


def test_register_needs_no_body_and_takes_a_uuid_of_either_length(world: World, client: Client) -> None:
    generated = client.call("POST", "register", world.provisioning_key)
    assert generated.status == 201
    assert re.fullmatch("[0-9a-f]{32}|[0-9a-f]{62}", generated.json["uuid"])
    for uuid in ("c" * 32, "d" * 62):
        answer = client.call("POST", "register", world.provisioning_key, {"uuid": uuid})
        assert (answer.status, answer.json["uuid"]) == (201, uuid)


def test_register_refuses_a_taken_uuid(world: World, client: Client) -> None:
    before = everything()
    for taken in (world.device.uuid, world.stranger.uuid):
        answer = client.call("POST", "register", world.provisioning_key, {"uuid": taken})
        assert (answer.status, answer.json["field"]) == (409, "uuid")
    assert everything() == before


def test_register_has_a_ceiling_in_an_hour_and_in_all(
    world: World, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = clock.now().replace(minute=59)
    stand_still(monkeypatch, at)
    settings.REGISTRATIONS_PER_HOUR, settings.REGISTRATIONS_PER_KEY = 2, 3
    for _ in range(2):
        assert client.call("POST", "register", world.provisioning_key).status == 201
    before = everything()
    answer = client.call("POST", "register", world.provisioning_key)
    assert answer.status == 429
    assert answer.json == {
        "error": "This key has registered 2 devices in this hour, which is the limit for one key."
        f" It can register more from {at + timedelta(minutes=1):%H:%M} UTC."
    }
    assert everything() == before
    stand_still(monkeypatch, at + timedelta(minutes=1))
    assert client.call("POST", "register", world.provisioning_key).status == 201
    before = everything()
    answer = client.call("POST", "register", world.provisioning_key)
    assert answer.status == 403
    assert answer.json == {
        "error": "This key has registered 3 devices, which is the limit for one key."
        " Create another provisioning key."
    }
    assert everything() == before
    other = keys.new_provisioning_key(world.fleet)
    assert client.call("POST", "register", other).status == 201
    assert client.call("POST", "heartbeat", world.device_key).status == 200


def test_a_taken_uuid_counts_towards_no_ceiling(world: World, client: Client) -> None:
    client.call("POST", "register", world.provisioning_key, {"uuid": world.device.uuid})
    assert set(ApiKey.objects.values_list("registered", "registered_in_hour")) == {(0, 0)}


def test_a_heartbeat_counts_and_tells_the_interval_in_force(world: World, client: Client) -> None:
    answer = client.call("POST", "heartbeat", world.device_key)
    assert (answer.status, answer.json) == (200, {"poll_interval": 300})
    assert answer.headers["content-type"] == "application/json"
    poll = Heartbeat.objects.get(device=world.device)
    assert poll.poll_interval == 300
    Device.objects.filter(pk=world.device.pk).update(poll_interval=60)
    assert client.call("POST", "heartbeat", world.device_key).json == {"poll_interval": 60}
    world.device.refresh_from_db()
    assert world.device.heartbeat_state == "recent"
    assert world.device.public_address == "127.0.0.1"


def test_the_site_decides_the_interval_where_nobody_else_does(world: World, client: Client) -> None:
    key = keys.new_device_key(world.stranger)
    assert client.call("POST", "heartbeat", key).json == {"poll_interval": 900}


def test_a_report_is_written_and_is_no_poll(world: World, client: Client) -> None:
    answer = client.call("PATCH", "report", world.device_key, REPORT)
    assert (answer.status, answer.text) == (204, "")
    world.device.refresh_from_db()
    assert {name: getattr(world.device, name) for name in REPORT} == REPORT
    assert world.device.last_contact_at is not None
    assert not Heartbeat.objects.filter(device=world.device).exists()


def test_a_heartbeat_with_a_report_is_both(world: World, client: Client) -> None:
    body = {"metrics": {"cpu_percent": 12.5, "memory_used": 2**40, "undervolted": False}}
    answer = client.call("POST", "heartbeat", world.device_key, body)
    assert (answer.status, answer.json) == (200, {"poll_interval": 300})
    world.device.refresh_from_db()
    assert world.device.metrics == body["metrics"]
    assert Heartbeat.objects.filter(device=world.device).exists()


def test_unknown_extra_keys_are_ignored(world: World, client: Client) -> None:
    body = {"os_version": "6.2", "colour": {"nested": [1, "\0"]}, "metrics": {"humidity": "wet"}}
    assert client.call("PATCH", "report", world.device_key, body).status == 204
    world.device.refresh_from_db()
    assert (world.device.os_version, world.device.metrics) == ("6.2", {})


def test_a_frozen_device_polls_and_its_body_is_ignored(world: World, client: Client) -> None:
    Device.objects.filter(pk=world.device.pk).update(frozen_reason="unpaid")
    for body in (None, {"os_version": "6.3"}, {"os_version": 6}, b"{"):
        Heartbeat.objects.all().delete()
        answer = client.call("POST", "heartbeat", world.device_key, body)
        assert (answer.status, answer.json) == (200, {"poll_interval": 300, "frozen": "unpaid"})
        assert Heartbeat.objects.filter(device=world.device).exists()
    world.device.refresh_from_db()
    assert world.device.os_version == ""


def test_a_frozen_device_s_report_is_refused_and_no_contact(world: World, client: Client) -> None:
    Device.objects.filter(pk=world.device.pk).update(frozen_reason="allowance")
    before = everything()
    for body in ({"os_version": "6.3"}, {"os_version": 6}):
        answer = client.call("PATCH", "report", world.device_key, body)
        assert (answer.status, set(answer.json)) == (403, {"error", "reason"})
        assert answer.json["reason"] == "allowance"
    assert everything() == before


def test_vpn_connect_and_disconnect_count_changes_and_name_strangers(world: World, client: Client) -> None:
    uuids = [world.device.uuid, world.stranger.uuid, "e" * 32, "not a uuid"]
    body = {"server": "vpn-1", "devices": [{"uuid": uuids[0], "session": "1"}, *uuids[1:]]}
    for changed in (1, 0):
        answer = client.call("POST", "vpn/connect", world.service_key, body)
        assert answer.status == 200
        assert answer.json["changed"] == changed
        assert sorted(answer.json["unknown"]) == sorted(uuids[1:])
    world.device.refresh_from_db()
    assert world.device.vpn_connected
    for changed in (1, 0):
        answer = client.call("POST", "vpn/disconnect", world.service_key, body)
        assert (answer.status, answer.json["changed"]) == (200, changed)
    assert not Device.objects.get(pk=world.device.pk).vpn_connected
    assert not VpnServer.objects.filter(organization=world.stranger.organization).exists()


def test_a_disconnect_of_another_session_changes_nothing(world: World, client: Client) -> None:
    for call, session, changed in (
        ("connect", "2", 1),
        ("disconnect", "1", 0),
        ("disconnect", "2", 1),
    ):
        body = {"server": "vpn-1", "devices": [{"uuid": world.device.uuid, "session": session}]}
        answer = client.call("POST", f"vpn/{call}", world.service_key, body)
        assert (answer.status, answer.json) == (200, {"changed": changed, "unknown": []})


def test_a_life_sign_takes_over_the_server_s_whole_list(world: World, client: Client) -> None:
    body = {"server": "vpn-1", "boot": "b1", "connected": [world.device.uuid, "e" * 32]}
    answer = client.call("POST", "vpn/alive", world.service_key, body)
    assert (answer.status, answer.json) == (200, {"changed": 1, "unknown": ["e" * 32]})
    answer = client.call("POST", "vpn/alive", world.service_key, {"server": "vpn-1", "boot": "b1"})
    assert (answer.status, answer.json) == (200, {"changed": 0, "unknown": []})
    world.device.refresh_from_db()
    assert world.device.vpn_connected


def test_without_boot_a_silent_server_comes_back_with_its_list(world: World, client: Client) -> None:
    sign, listed = {"server": "vpn-1"}, {"server": "vpn-1", "connected": [world.device.uuid]}
    assert client.call("POST", "vpn/alive", world.service_key, listed).status == 200
    assert client.call("POST", "vpn/alive", world.service_key, sign).status == 200
    long_ago = clock.now() - timedelta(hours=1)
    VpnServer.objects.update(last_sign_at=long_ago, lease_until=long_ago, due_at=long_ago)
    before = everything()
    answer = client.call("POST", "vpn/alive", world.service_key, sign)
    assert (answer.status, answer.json["field"]) == (409, "connected")
    assert everything() == before
    assert client.call("POST", "vpn/alive", world.service_key, listed).status == 200
    assert client.call("POST", "vpn/alive", world.service_key, sign).status == 200


def test_a_connect_after_a_silence_has_an_end(world: World, client: Client) -> None:
    sign = {"server": "vpn-1", "boot": "b1"}
    assert client.call("POST", "vpn/alive", world.service_key, sign).status == 200
    silent = clock.now() - timedelta(seconds=6)
    VpnServer.objects.update(lease_until=silent, due_at=silent)
    body = {"server": "vpn-1", "devices": [world.device.uuid]}
    assert client.call("POST", "vpn/connect", world.service_key, body).status == 200
    now = clock.now()
    device = with_status(Device.objects.filter(pk=world.device.pk), now).get()
    assert device.vpn
    assert device.vpn_server
    assert device.vpn_server.due_at
    assert now < device.vpn_server.due_at <= now + timedelta(seconds=60)


def test_a_server_of_another_organization_may_have_the_same_name(world: World, client: Client) -> None:
    body = {"server": "vpn-1", "devices": [world.device.uuid]}
    assert client.call("POST", "vpn/connect", world.service_key, body).json["changed"] == 1
    for call in ("connect", "disconnect"):
        answer = client.call("POST", f"vpn/{call}", world.foreign_service_key, body)
        assert (answer.status, answer.json) == (200, {"changed": 0, "unknown": [world.device.uuid]})
    listed = {"server": "vpn-1", "connected": []}
    assert client.call("POST", "vpn/alive", world.foreign_service_key, listed).json["changed"] == 0
    assert Device.objects.get(pk=world.device.pk).vpn_connected


def test_a_site_wide_key_reaches_every_organization(world: World, client: Client) -> None:
    uuids = [world.device.uuid, world.stranger.uuid]
    body = {"server": "hub", "devices": uuids}
    answer = client.call("POST", "vpn/connect", keys.new_service_key(None), body)
    assert (answer.status, answer.json) == (200, {"changed": 2, "unknown": []})


def test_success_is_said_after_the_commit_only(world: World, client: Client) -> None:
    """Another connection, which sees nothing uncommitted, sees each fact once it is answered."""
    other = connections["default"].copy()
    try:
        with other.cursor() as cursor:
            for n in range(20):
                body = {"os_version": f"6.{n}"}
                assert client.call("POST", "heartbeat", world.device_key, body).status == 200
                cursor.execute(
                    "SELECT os_version, last_poll_at FROM devices_device JOIN devices_heartbeat"
                    " ON device_id = id WHERE id = %s ORDER BY last_poll_at DESC",
                    [world.device.pk],
                )
                assert cursor.fetchone()[0] == f"6.{n}"
    finally:
        other.close()


def test_an_inactive_device_is_activated_by_contact(world: World, client: Client) -> None:
    for digit, method, path in (("c", "POST", "heartbeat"), ("d", "PATCH", "report")):
        device = make_device(world.fleet, digit, is_active=False)
        answer = client.call(method, path, keys.new_device_key(device), {})
        assert answer.status < 300
        device.refresh_from_db()
        assert device.is_active
        assert device.activated_at is not None


def test_a_whole_number_with_a_fraction_is_an_integer_and_loses_no_poll(world: World, client: Client) -> None:
    """As Lua, PHP and many a microcontroller write every number."""
    body = b'{"provisioning_progress": 40.0, "update_progress": 1e2, "metrics": {"memory_used": 1.5e9}}'
    assert client.call("POST", "heartbeat", world.device_key, body).status == 200
    world.device.refresh_from_db()
    assert (world.device.provisioning_progress, world.device.update_progress) == (40, 100)
    assert world.device.metrics == {"memory_used": 1_500_000_000}
    polled = Heartbeat.objects.get().last_poll_at
    for bad, field in (
        (b'{"provisioning_progress": 40.5}', "provisioning_progress"),
        (b'{"provisioning_progress": "40"}', "provisioning_progress"),
        (b'{"update_progress": 101.0}', "update_progress"),
        (b'{"metrics": {"memory_used": 1e300}}', "metrics.memory_used"),
        (b'{"os_version": 6.0}', "os_version"),
    ):
        answer = client.call("POST", "heartbeat", world.device_key, bad)
        assert (answer.status, answer.json["field"]) == (400, field)
    assert Heartbeat.objects.get().last_poll_at == polled
