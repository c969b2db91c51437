"""VPN servers of the supervisor dialect (protocol.md, VPN server)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from devices import clock, connectivity, keys
from devices.models import Device, VpnServer
from tests.devices.ingest.client import Answer, Client
from tests.devices.ingest.world import World, everything


def start(client: Client, key: str, body: Any = None) -> int:
    answer = client.call("POST", "v7/service_instance", key, body)
    assert answer.status == 201
    assert set(answer.json) == {"id"}
    number: int = answer.json["id"]
    return number


def clients(client: Client, key: str, server: int, *uuids: str, connected: bool = True) -> Answer:
    body = {"serviceId": server, "uuids": uuids, "connected": connected}
    return client.call("POST", f"services/vpn/client-{'' if connected else 'dis'}connect", key, body)


def alive(client: Client, key: str, server: int) -> int:
    return client.call("PATCH", f"v7/service_instance({server})", key, {"is_alive": True}).status


def is_connected(world: World) -> bool:
    world.device.refresh_from_db()
    return world.device.vpn_connected


def test_a_server_s_life(world: World, client: Client) -> None:
    server = start(client, world.service_key, {"ip_address": "192.0.2.9"})
    life = VpnServer.objects.get(pk=server)
    assert life.name.startswith("192.0.2.9-")
    assert life.lease_until is not None  # to start is a sign of life
    first = life.last_sign_at
    assert alive(client, world.service_key, server) == 200
    life.refresh_from_db()
    assert life.last_sign_at is not None
    assert first is not None
    assert life.last_sign_at > first
    uuids = [world.device.uuid, world.stranger.uuid, "e" * 32, "no uuid"]
    for _ in range(2):
        assert clients(client, world.service_key, server, *uuids).status == 200
        assert is_connected(world)
    assert not Device.objects.get(pk=world.stranger.pk).vpn_connected
    for _ in range(2):
        assert clients(client, world.service_key, server, *uuids, connected=False).status == 200
        assert not is_connected(world)


def test_a_connect_after_a_silence_has_an_end(world: World, client: Client) -> None:
    server = start(client, world.service_key)
    silent = clock.now() - timedelta(seconds=6)
    VpnServer.objects.update(lease_until=silent, due_at=silent)
    assert clients(client, world.service_key, server, world.device.uuid).status == 200
    assert is_connected(world)
    now, due_at = clock.now(), VpnServer.objects.get(pk=server).due_at
    assert due_at is not None
    assert now < due_at <= now + timedelta(seconds=60)


def test_a_new_life_clears_nothing_of_the_old_one_whose_silence_does(world: World, client: Client) -> None:
    old = start(client, world.service_key, {"ip_address": "192.0.2.9"})
    assert clients(client, world.service_key, old, world.device.uuid).status == 200
    new = start(client, world.service_key, {"ip_address": "192.0.2.9"})
    assert new != old
    assert alive(client, world.service_key, new) == 200
    assert clients(client, world.service_key, new, world.device.uuid, connected=False).status == 200
    assert is_connected(world)
    past = clock.now() - timedelta(seconds=30)  # before the newest liveness sign, however busy the machine
    VpnServer.objects.filter(pk=old).update(lease_until=past, due_at=past)
    assert alive(client, world.service_key, new) == 200
    connectivity.settle()
    assert not is_connected(world)
    assert clients(client, world.service_key, new, world.device.uuid).status == 200
    assert is_connected(world)
    # The old life's late word changes nothing.
    assert clients(client, world.service_key, old, world.device.uuid, connected=False).status == 200
    assert is_connected(world)


def test_a_batch_of_eight_thousand(world: World, client: Client) -> None:
    server = start(client, world.service_key)
    uuids = [world.device.uuid, *(f"{n:062x}" for n in range(7999))]
    body = json.dumps({"serviceId": server, "uuids": uuids, "connected": True}, separators=(",", ":"))
    links = "services/vpn/client-connect"
    assert client.call("POST", links, world.service_key, body.encode()).status == 200
    assert is_connected(world)


def test_an_id_must_be_one_s_own(world: World, client: Client) -> None:
    ours, site = start(client, world.service_key), start(client, keys.new_service_key(None))
    before = everything()
    for key, server in (
        (world.foreign_service_key, ours),
        (world.service_key, site),
        (world.service_key, 10**17),
        (world.device_key, ours),
        (world.provisioning_key, ours),
        ("nonsense", ours),
    ):
        assert alive(client, key, server) == 401
        for connected in (True, False):
            assert clients(client, key, server, world.device.uuid, connected=connected).status == 401
    assert client.call("POST", "v7/service_instance", world.device_key).status == 401
    assert everything() == before


def test_a_site_s_server_reaches_every_organization(world: World, client: Client) -> None:
    key = keys.new_service_key(None)
    server = start(client, key)
    assert clients(client, key, server, world.device.uuid, world.stranger.uuid).status == 200
    assert Device.objects.filter(vpn_connected=True).count() == 2


@pytest.mark.parametrize(
    ("said", "shown"), [("\u202e192.0.2.7\u200b", "192.0.2.7"), ("\u200b", "127.0.0.1"), (" ", "127.0.0.1")]
)
def test_an_address_that_it_says_is_kept_without_what_does_not_show(
    world: World, client: Client, said: str, shown: str
) -> None:
    answer = client.call("POST", "v7/service_instance", world.service_key, {"ip_address": said})
    name = VpnServer.objects.get(pk=answer.json["id"]).name
    assert name.rpartition("-")[0] == shown


def test_bad_bodies(world: World, client: Client) -> None:
    server = start(client, world.service_key)
    before = everything()
    links = "services/vpn/client-connect"
    for method, path, body, field in (
        ("POST", links, {"uuids": []}, "serviceId"),
        ("POST", links, {"serviceId": server}, "uuids"),
        ("POST", links, {"serviceId": "1", "uuids": []}, "serviceId"),
        ("POST", links, {"serviceId": 0, "uuids": []}, "serviceId"),
        ("POST", links, {"serviceId": 2**63, "uuids": []}, "serviceId"),
        ("POST", links, {"serviceId": server, "uuids": [5]}, "uuids[0]"),
        ("POST", links, {"serviceId": server, "uuids": ["a\0b"]}, "uuids[0]"),
        ("POST", links, {"serviceId": server, "uuids": [], "connected": 1}, "connected"),
        ("POST", links, b"{", "body"),
        ("POST", "v7/service_instance", {"ip_address": 5}, "ip_address"),
        ("POST", "v7/service_instance", {"ip_address": "a\0b"}, "ip_address"),
        ("PATCH", f"v7/service_instance({server})", {}, "is_alive"),
        ("PATCH", f"v7/service_instance({server})", {"is_alive": "yes"}, "is_alive"),
    ):
        answer = client.call(method, path, world.service_key, body)
        assert (answer.status, answer.json["field"]) == (400, field), body
    assert everything() == before
    silent = client.call("PATCH", f"v7/service_instance({server})", world.service_key, {"is_alive": False})
    assert silent.status == 200
    assert everything() == before


def test_who_may_connect(world: World, client: Client) -> None:
    before, path = everything(), f"services/vpn/auth/{world.device.uuid}"
    assert client.call("GET", path, world.device_key).status == 200
    assert client.call("GET", f"{path}?apikey={world.device_key}").status == 200
    for key in (None, "nonsense", world.service_key, world.provisioning_key):
        assert client.call("GET", path, key).status == 401
    assert client.call("GET", f"services/vpn/auth/{world.stranger.uuid}", world.device_key).status == 401
    assert everything() == before  # no contact
    Device.objects.filter(pk=world.device.pk).update(frozen_reason="unpaid")
    assert client.call("GET", path, world.device_key).status == 200
