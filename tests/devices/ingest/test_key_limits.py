"""Each kind of key tries to go beyond what it is for (protocol.md, Keys)."""

from __future__ import annotations

import itertools

import pytest
from django.core.exceptions import PermissionDenied

from dashboard.models import User
from devices import keys
from devices.models import ApiKey, Device, VpnServer
from fleets.models import Role
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, everything
from tests.factories import make_member

DEVICE = (("POST", "heartbeat", None), ("PATCH", "report", {"os_version": "6"}))
SERVICE = (
    ("POST", "vpn/connect", {"server": "s", "devices": ["a" * 32]}),
    ("POST", "vpn/disconnect", {"server": "s", "devices": ["a" * 32]}),
    ("POST", "vpn/alive", {"server": "s", "boot": "1", "connected": ["a" * 32]}),
)
PROVISIONING = (("POST", "register", {"uuid": "c" * 32}),)


@pytest.mark.parametrize(
    ("key", "calls"),
    [
        ("device_key", PROVISIONING + SERVICE),
        ("provisioning_key", DEVICE + SERVICE),
        ("service_key", DEVICE + PROVISIONING),
    ],
)
def test_a_key_does_nothing_that_is_for_another_kind(
    world: World, client: Client, key: str, calls: tuple[tuple[str, str, object], ...]
) -> None:
    before = everything()
    for method, path, body in calls:
        answer = client.call(method, path, getattr(world, key), body)
        assert (answer.status, answer.json["field"]) == (401, "Authorization")
    assert everything() == before


def test_a_provisioning_key_registers_into_its_own_fleet_only(world: World, client: Client) -> None:
    far = world.stranger.fleet
    body = {"fleet": far.slug, "fleet_id": far.pk, "application": far.pk, "organization": far.organization_id}
    answer = client.call("POST", "register", world.provisioning_key, body)
    assert answer.status == 201
    device = Device.objects.get(uuid=answer.json["uuid"])
    assert (device.fleet, device.organization) == (world.fleet, world.organization)
    caller = keys.named(world.provisioning_key)
    assert device.provisioned_by == caller


def test_a_service_key_moves_no_device_of_another_organization(world: World, client: Client) -> None:
    """They are answered as unknown, as if there were none, connected elsewhere or not."""
    theirs, nobodys = world.stranger.uuid, "e" * 32
    held = {"server": "theirs", "devices": [theirs]}
    assert client.call("POST", "vpn/connect", world.foreign_service_key, held).json["changed"] == 1
    before = Device.objects.filter(pk=world.stranger.pk).values().get()
    for path, named in (("connect", "devices"), ("disconnect", "devices"), ("alive", "connected")):
        body = {"server": "ours", "boot": "1"} | {named: [theirs, nobodys]}
        answer = client.call("POST", f"vpn/{path}", world.service_key, body)
        assert (answer.status, answer.json) == (200, {"changed": 0, "unknown": [theirs, nobodys]})
    assert Device.objects.filter(pk=world.stranger.pk).values().get() == before


def test_a_service_key_speaks_for_no_server_but_its_organization_s(world: World, client: Client) -> None:
    """Neither another organization's nor the site's: a name is an organization's own (protocol.md)."""
    site = keys.new_service_key(None)
    owners = {"ours": world.service_key, "theirs": world.foreign_service_key, "site": site}
    for name, key in owners.items():
        assert client.call("POST", "vpn/alive", key, {"server": name, "boot": "1"}).status == 200
    before = list(VpnServer.objects.order_by("pk").values())
    for (name, _), (_, key) in itertools.permutations(owners.items(), 2):
        for path in ("connect", "disconnect", "alive"):
            body = {"server": name, "boot": "1", "devices": [], "connected": []}
            assert client.call("POST", f"vpn/{path}", key, body).status == 200
    known = [each["id"] for each in before]
    assert list(VpnServer.objects.filter(pk__in=known).order_by("pk").values()) == before
    body = {"server": "ours", "devices": [world.device.uuid]}
    answer = client.call("POST", "vpn/connect", world.foreign_service_key, body)
    assert answer.json == {"changed": 0, "unknown": [world.device.uuid]}


def test_who_may_make_keys_of_a_fleet_an_organization_and_the_site(world: World) -> None:
    superuser = User.objects.create_superuser("root")
    administrator = make_member(world.organization, Role.ADMINISTRATOR)
    others = [
        make_member(world.organization, Role.OPERATOR),
        make_member(world.stranger.organization, Role.OWNER),
        User.objects.create_user("stranger"),
    ]
    keys.new_service_key(None, actor=superuser)
    keys.new_service_key(world.organization, actor=administrator)
    keys.new_provisioning_key(world.fleet, actor=administrator)
    before = ApiKey.objects.count()
    for person in others:
        with pytest.raises(PermissionDenied):
            keys.new_service_key(world.organization, actor=person)
        with pytest.raises(PermissionDenied):
            keys.new_provisioning_key(world.fleet, actor=person)
    for person in (*others, administrator):
        with pytest.raises(PermissionDenied):
            keys.new_service_key(None, actor=person)
    assert ApiKey.objects.count() == before
