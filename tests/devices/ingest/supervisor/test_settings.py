"""What a device may set of itself (protocol.md, Register)."""

from __future__ import annotations

from typing import Any

import pytest

from devices import connectivity
from devices.models import StatusChange
from devices.operations import editing, lifecycle
from tests.devices.ingest.client import Answer, Client
from tests.devices.ingest.world import World, everything


def post_variable(client: Client, device: int, key: str | None, name: str, value: Any) -> Answer:
    body = {"device": device, "name": name, "value": value}
    return client.call("POST", "v7/device_config_variable", key, body)


VARIABLES: list[tuple[str, Any, dict[str, Any]]] = [
    ("BALENA_SUPERVISOR_POLL_INTERVAL", "600000", {"poll_interval": 600}),
    ("RESIN_SUPERVISOR_POLL_INTERVAL", 600000, {"poll_interval": 600}),
    ("BALENA_SUPERVISOR_POLL_INTERVAL", "1000", {"poll_interval": 180}),
    ("BALENA_SUPERVISOR_POLL_INTERVAL", "-1", {"poll_interval": 180}),
    ("BALENA_SUPERVISOR_POLL_INTERVAL", "99999999999999", {"poll_interval": 86400}),
    ("RESIN_SUPERVISOR_VPN_CONTROL", "false", {"vpn_setting": False, "vpn_enabled": False}),
    ("BALENA_SUPERVISOR_VPN_CONTROL", "0", {"vpn_setting": False, "vpn_enabled": False}),
    ("BALENA_SUPERVISOR_VPN_CONTROL", True, {"vpn_setting": True, "vpn_enabled": True}),
    ("RESIN_SUPERVISOR_LOCAL_MODE", "false", {"poll_interval": None, "vpn_setting": None}),
]


@pytest.mark.parametrize(("name", "value", "then"), VARIABLES)
def test_variables(world: World, client: Client, name: str, value: Any, then: dict[str, Any]) -> None:
    assert post_variable(client, world.device.pk, world.device_key, name, value).status == 201
    world.device.refresh_from_db()
    assert {field: getattr(world.device, field) for field in then} == then
    assert world.device.first_contact_at is None


def test_numbers_may_be_written_with_an_empty_fraction(world: World, client: Client) -> None:
    body = b'{"device": %d.0, "name": "BALENA_SUPERVISOR_POLL_INTERVAL", "value": 600000.0}'
    path = "v7/device_config_variable"
    assert client.call("POST", path, world.device_key, body % world.device.pk).status == 201
    world.device.refresh_from_db()
    assert world.device.poll_interval == 600


def test_bad_variables(world: World, client: Client) -> None:
    before = everything()
    interval, control = "BALENA_SUPERVISOR_POLL_INTERVAL", "BALENA_SUPERVISOR_VPN_CONTROL"
    for name, value, field in (
        (interval, "soon", "value"),
        (interval, "", "value"),
        (interval, True, "value"),
        (interval, 1.5, "value"),
        (interval, None, "value"),
        (interval, "9" * 30, "value"),
        (control, "maybe", "value"),
        (control, 7, "value"),
        ("", "x", "name"),
        ("a\0b", "x", "name"),
    ):
        answer = post_variable(client, world.device.pk, world.device_key, name, value)
        assert (answer.status, answer.json["field"]) == (400, field), (name, value)
    for device, key in (
        (world.stranger.pk, world.device_key),
        (10**17, world.device_key),
        (world.device.pk, world.provisioning_key),
        (world.device.pk, world.service_key),
        (world.device.pk, None),
    ):
        assert post_variable(client, device, key, control, "false").status == 401
        assert client.call("PATCH", f"v7/device({device})", key, {control: "false"}).status == 401
    patched = client.call("PATCH", f"v7/device({world.device.pk})", world.device_key, {control: "maybe"})
    assert (patched.status, patched.json["field"]) == (400, control)
    assert everything() == before


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_device_names_itself_until_an_operator_has_named_it(
    world: World, client: Client, version: int
) -> None:
    """A supervisor polls before it says its name, and may say another when it is set up anew."""
    connectivity.record_heartbeats([world.device.pk])
    path = f"v{version}/device({world.device.pk})"
    for name, kept in (("Door", "Door"), ("n" * 300, "n" * 255), ("", "n" * 255), (None, "n" * 255)):
        body = {"device_name": name, "should_be_running__release": 7}
        answer = client.call("PATCH", path, world.device_key, body)
        assert (answer.status, answer.text) == (200, "")
        world.device.refresh_from_db()
        assert world.device.name == kept
    assert editing.edit(device=world.device, actor=None, field="name", value="Pump 7")
    assert client.call("PATCH", path, world.device_key, {"device_name": "Late"}).status == 200
    world.device.refresh_from_db()
    assert world.device.name == "Pump 7"
    assert editing.edit(device=world.device, actor=None, field="name", value="")  # nobody's again
    assert client.call("PATCH", path, world.device_key, {"device_name": "Late"}).status == 200
    world.device.refresh_from_db()
    assert world.device.name == "Late"


def test_the_name_of_a_preregistered_device_is_its_operator_s(world: World, client: Client) -> None:
    device, key = lifecycle.preregister(fleet=world.fleet, actor=None, name="Pump 8")
    answer = client.call("PATCH", f"v7/device({device.pk})", key, {"device_name": "Door"})
    device.refresh_from_db()
    assert (answer.status, device.name) == (200, "Pump 8")


def test_of_two_names_of_a_variable_the_newer_counts(world: World, client: Client) -> None:
    body = {"RESIN_SUPERVISOR_POLL_INTERVAL": "700000", "BALENA_SUPERVISOR_POLL_INTERVAL": "600000"}
    assert client.call("PATCH", f"v7/device({world.device.pk})", world.device_key, body).status == 200
    world.device.refresh_from_db()
    assert world.device.poll_interval == 600


def test_a_vpn_turned_off_changes_the_status_and_says_why(world: World, client: Client) -> None:
    connectivity.record_heartbeats([world.device.pk])
    control = "RESIN_SUPERVISOR_VPN_CONTROL"
    for value, status in (("false", "online"), ("true", "heartbeat-only")):
        assert post_variable(client, world.device.pk, world.device_key, control, value).status == 201
        change = StatusChange.objects.filter(device=world.device).order_by("-id")[0]
        assert (change.after, change.reason["slug"]) == (status, "vpn-setting")
