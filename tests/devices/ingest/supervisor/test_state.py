"""State polls: what they answer, whom, and that they count (protocol.md, State poll)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from devices import keys
from devices.models import Device, Heartbeat
from devices.operations import lifecycle
from fleets.models import Fleet
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, everything

INTERVAL = "BALENA_SUPERVISOR_POLL_INTERVAL"
every_version = pytest.mark.parametrize("version", [2, 3])


def state(device: Device, version: int = 3) -> str:
    return f"device/v{version}/{device.uuid}/state"


def expected(device: Device, version: int, name: str, config: dict[str, str]) -> dict[str, Any]:
    target = {"name": name, "config": config, "apps": {}}
    if version == 3:
        return {device.uuid: target}
    return {"local": target, "dependent": {"apps": {}, "devices": {}}}


def polls() -> int:
    """How many heartbeats there are; then there are none."""
    deleted, _ = Heartbeat.objects.all().delete()
    return deleted


@every_version
def test_a_poll_tells_the_target_state_and_counts(world: World, client: Client, version: int) -> None:
    Device.objects.filter(pk=world.device.pk).update(name="Door")
    answer = client.call("GET", state(world.device, version), world.device_key)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == expected(world.device, version, "Door", {INTERVAL: "300000"})
    assert Heartbeat.objects.get(device=world.device).poll_interval == 300
    world.device.refresh_from_db()
    assert world.device.heartbeat_state == "recent"
    assert world.device.public_address == "127.0.0.1"


def test_a_device_without_a_name_is_called_as_everywhere(world: World, client: Client) -> None:
    answer = client.call("GET", state(world.device), world.device_key)
    assert answer.json[world.device.uuid]["name"] == world.device.uuid[:7]


@every_version
def test_a_match_gets_304_and_still_counts(world: World, client: Client, version: int) -> None:
    path = state(world.device, version)
    tag = client.call("GET", path, world.device_key).headers["etag"]
    for asked in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        assert polls() == 1
        answer = client.call("GET", path, world.device_key, **{"If-None-Match": asked})
        assert (answer.status, answer.text, answer.headers["etag"]) == (304, "", tag)
    for asked in ('"x"', tag.strip('"'), "nonsense", ""):
        assert polls() == 1
        assert client.call("GET", path, world.device_key, **{"If-None-Match": asked}).status == 200
    assert polls() == 1


def test_the_tag_changes_with_the_target(world: World, client: Client) -> None:
    def tag(version: int = 3) -> str:
        return client.call("GET", state(world.device, version), world.device_key).headers["etag"]

    first = tag()
    assert tag() == first
    tags = {first, tag(version=2)}
    for change in ({"name": "Door"}, {"poll_interval": 600}, {"vpn_setting": False}):
        Device.objects.filter(pk=world.device.pk).update(**change)
        tags.add(tag())
    assert len(tags) == 5


@pytest.mark.parametrize(("interval", "told"), [(10, 180), (180, 180), (200, 200), (86400, 86400)])
def test_the_interval_is_never_below_three_minutes(
    world: World, client: Client, interval: int, told: int
) -> None:
    Device.objects.filter(pk=world.device.pk).update(poll_interval=interval)
    answer = client.call("GET", state(world.device), world.device_key)
    assert answer.json[world.device.uuid]["config"] == {INTERVAL: str(told * 1000)}
    poll = Heartbeat.objects.get()
    assert (poll.poll_interval, (poll.late_at - poll.last_poll_at).total_seconds()) == (told, 1.5 * told)


def test_a_vpn_that_is_to_be_off_is_told(world: World, client: Client) -> None:
    Device.objects.filter(pk=world.device.pk).update(vpn_setting=False)
    config = client.call("GET", state(world.device), world.device_key).json[world.device.uuid]["config"]
    assert config == {INTERVAL: "300000", "BALENA_SUPERVISOR_VPN_CONTROL": "false"}


@pytest.mark.parametrize(
    ("fleets", "own", "off"), [(None, None, False), (None, False, True), (False, None, True)]
)
def test_a_vpn_that_nobody_has_set_is_not_told_to_be_off(
    world: World, client: Client, *, fleets: bool | None, own: bool | None, off: bool
) -> None:
    Fleet.objects.filter(pk=world.fleet.pk).update(vpn_enabled=fleets)
    Device.objects.filter(pk=world.device.pk).update(vpn_enabled=False, vpn_setting=own)
    config = client.call("GET", state(world.device), world.device_key).json[world.device.uuid]["config"]
    assert ("BALENA_SUPERVISOR_VPN_CONTROL" in config) is off


@every_version
def test_a_frozen_device_gets_304_and_counts(world: World, client: Client, version: int) -> None:
    Device.objects.filter(pk=world.device.pk).update(frozen_reason="unpaid")
    answer = client.call("GET", state(world.device, version), world.device_key)
    assert (answer.status, answer.text) == (304, "")
    assert polls() == 1
    other = client.call("GET", state(world.stranger, version), world.device_key)
    assert (other.status, polls()) == (401, 0)


@every_version
def test_a_deleted_device_gets_304_and_nothing_happens(world: World, client: Client, version: int) -> None:
    path = state(world.device, version)
    lifecycle.delete(device=world.device, actor=None)
    before = everything()
    assert client.call("GET", path, world.device_key).status == 304
    assert client.call("GET", state(world.stranger, version), world.device_key).status == 401
    assert everything() == before


@every_version
def test_everybody_else_gets_401(world: World, client: Client, version: int) -> None:
    before = everything()
    path = state(world.device, version)
    stranger_key = "chosen-by-a-stranger-0123456789abc"
    keys.keep_device_key(world.stranger, stranger_key)
    before = everything()
    for key in (None, "nonsense", world.provisioning_key, world.service_key, stranger_key):
        assert client.call("GET", path, key).status == 401
    for path in (state(world.stranger, version), f"device/v{version}/{'e' * 32}/state"):
        assert client.call("GET", path, world.device_key).status == 401
    assert everything() == before


def test_a_key_in_the_query_is_not_logged(
    world: World, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert client.call("GET", f"{state(world.device)}?apikey={world.device_key}").status == 200
        assert client.call("GET", f"{state(world.stranger)}?apikey={world.device_key}").status == 401
        assert client.call("GET", f"nothing?apikey={world.device_key}").status == 404
    assert "404" in caplog.text
    assert world.device_key not in caplog.text
