"""How a device comes to its id and its key (protocol.md, Register)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from devices import clock, connectivity, keys
from devices.models import ApiKey, Device
from devices.operations import lifecycle
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, everything

UUID = "c" * 32
CHOSEN = "chosen-by-the-device-0123456789abc"
BODY = {
    "user": 7,
    "application": 1234,
    "uuid": UUID,
    "device_type": "raspberrypi4-64",
    "api_key": CHOSEN,
    "supervisor_version": "17.0.1",
    "os_version": "balenaOS 6.1.2",
    "os_variant": "prod",
    "mac_address": "00:00:5E:00:53:01 00:00:5E:00:53:02",
}


def look_up(uuid: str, version: int = 7) -> str:
    return f"v{version}/device?$select=id&$filter=uuid%20eq%20'{uuid}'"


def test_register(world: World, client: Client) -> None:
    answer = client.call("POST", "device/register", world.provisioning_key, BODY)
    device = Device.objects.get(uuid=UUID)
    assert answer.status == 201
    assert answer.json == {"id": device.pk, "uuid": UUID, "api_key": CHOSEN}
    assert (device.fleet, device.device_type) == (world.fleet, "raspberrypi4-64")
    assert (device.os_version, device.supervisor_version) == ("balenaOS 6.1.2", "17.0.1")
    assert device.mac_addresses == ["00:00:5E:00:53:01", "00:00:5E:00:53:02"]
    assert (device.is_active, device.recorded_status) == (True, "post-provisioning")
    assert device.first_contact_at is None
    assert client.call("GET", f"device/v3/{UUID}/state", CHOSEN).status == 200


def test_register_with_the_least_and_a_key_of_ours(world: World, client: Client) -> None:
    body = {"application": "1234", "uuid": "d" * 62, "device_type": "pi", "api_key": None}
    answer = client.call("POST", "device/register", world.provisioning_key, body)
    assert (answer.status, set(answer.json)) == (201, {"id", "uuid", "api_key"})
    assert client.call("GET", f"device/v3/{'d' * 62}/state", answer.json["api_key"]).status == 200


def test_a_taken_uuid(world: World, client: Client) -> None:
    assert client.call("POST", "device/register", world.provisioning_key, BODY).status == 201
    before = everything()
    for uuid in (UUID, world.stranger.uuid):
        body = BODY | {"uuid": uuid, "api_key": "chosen-by-another-0123456789abcdef"}
        answer = client.call("POST", "device/register", world.provisioning_key, body)
        assert (answer.status, answer.text) == (409, '"uuid" must be unique.')
    assert everything() == before


BAD: list[tuple[dict[str, Any], str]] = [
    ({"application": None}, "application"),
    ({"application": "12a"}, "application"),
    ({"application": "1\n"}, "application"),
    ({"application": -1}, "application"),
    ({"application": True}, "application"),
    ({"uuid": None}, "uuid"),
    ({"uuid": "C" * 32}, "uuid"),
    ({"uuid": "c" * 31}, "uuid"),
    ({"device_type": None}, "device_type"),
    ({"device_type": "a\0b"}, "device_type"),
    ({"device_type": "x" * 256}, "device_type"),
    ({"api_key": "k" * 31}, "api_key"),
    ({"api_key": "k" * 32}, "api_key"),
    ({"api_key": ""}, "api_key"),
    ({"api_key": 5}, "api_key"),
    ({"api_key": "k\0" * 20}, "api_key"),
    *(({"api_key": f"{CHOSEN}{sign}"}, "api_key") for sign in (" ", "\n", "\u00e9", "\u043a", "\x7f")),
    ({"os_version": 6}, "os_version"),
    ({"mac_address": ["00:00:5E:00:53:01"]}, "mac_address"),
]


def test_bad_registrations(world: World, client: Client) -> None:
    before = everything()
    for change, field in BAD:
        answer = client.call("POST", "device/register", world.provisioning_key, BODY | change)
        assert (answer.status, answer.json["field"]) == (400, field), change
    for missing in ("application", "uuid", "device_type"):
        body = {name: value for name, value in BODY.items() if name != missing}
        answer = client.call("POST", "device/register", world.provisioning_key, body)
        assert (answer.status, answer.json["field"]) == (400, missing)
    taken = BODY | {"api_key": world.device_key}
    answer = client.call("POST", "device/register", world.provisioning_key, taken)
    assert (answer.status, answer.json["field"]) == (400, "api_key")
    for key in (None, "nonsense", world.device_key, world.service_key):
        assert client.call("POST", "device/register", key, BODY).status == 401
    assert everything() == before


def test_the_key_may_come_in_the_query(world: World, client: Client) -> None:
    path = f"device/register?apikey={world.provisioning_key}"
    assert client.call("POST", path, body=BODY).status == 201
    assert client.call("POST", "device/register?apikey=", body=BODY).status == 401
    # What stands in the header counts.
    assert client.call("POST", path, "nonsense", BODY).status == 401


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_device_looks_itself_up(world: World, client: Client, version: int) -> None:
    answer = client.call("GET", look_up(world.device.uuid, version), world.device_key)
    assert (answer.status, answer.json) == (200, {"d": [{"id": world.device.pk}]})


def test_who_may_not_look_up(world: World, client: Client) -> None:
    before = everything()
    for uuid, key in (
        (world.stranger.uuid, world.device_key),
        (UUID, world.device_key),
        (world.device.uuid, world.provisioning_key),  # it did not register that one
        (UUID, world.provisioning_key),
        (world.device.uuid, world.service_key),
        (world.device.uuid, "nonsense"),
        (world.device.uuid, None),
    ):
        assert client.call("GET", look_up(uuid), key).status == 401
    for query in ("", "?$filter=id%20eq%201", "?$filter=uuid%20ne%20'a'", "?$filter=uuid%20eq%20%00"):
        answer = client.call("GET", f"v7/device{query}", world.device_key)
        assert (answer.status, answer.json["field"]) == (400, "$filter")
    for uuid in ("%00", "a" * 31, "A" * 32, "%ED%A0%80"):
        for method in ("GET", "PATCH"):
            answer = client.call(method, f"v7/device(uuid='{uuid}')", world.device_key, {})
            assert (answer.status, answer.json["field"]) == (400, "uuid"), uuid
    assert everything() == before


def register(world: World, client: Client) -> int:
    answer = client.call("POST", "device/register", world.provisioning_key, BODY)
    number: int = answer.json["id"]
    return number


def test_a_provisioning_key_looks_up_and_exchanges_what_it_registered(world: World, client: Client) -> None:
    number, new = register(world, client), "chosen-anew-0123456789-abcdef-ghijklmno"
    answer = client.call("GET", look_up(UUID), world.provisioning_key)
    assert (answer.status, answer.json) == (200, {"d": [{"id": number}]})
    path = f"api-key/device/{number}/device-key"
    for _ in range(2):  # a lost answer is asked for again
        answer = client.call("POST", path, world.provisioning_key, {"apiKey": new})
        assert (answer.status, answer.json) == (200, new)
    assert client.call("GET", f"device/v3/{UUID}/state", CHOSEN).status == 401
    assert client.call("GET", f"device/v3/{UUID}/state", new).status == 200


def test_a_provisioning_key_may_nothing_once_the_device_polled(world: World, client: Client) -> None:
    number = register(world, client)
    connectivity.record_heartbeats([number])
    refused_exchange(world, client, number)


def test_a_provisioning_key_may_nothing_after_a_day(world: World, client: Client) -> None:
    number = register(world, client)
    day = timedelta(hours=24)
    Device.objects.filter(pk=number).update(provisioned_at=clock.now() - day)
    refused_exchange(world, client, number)


def test_another_key_of_the_fleet_may_nothing(world: World, client: Client) -> None:
    number = register(world, client)
    refused_exchange(world, client, number, keys.new_provisioning_key(world.fleet))


def refused_exchange(world: World, client: Client, number: int, key: str | None = None) -> None:
    before, key = everything(), key or world.provisioning_key
    assert client.call("GET", look_up(UUID), key).status == 401
    path = f"api-key/device/{number}/device-key"
    assert client.call("POST", path, key, {"apiKey": "chosen-anew-0123456789-abcdef-ghijklmno"}).status == 401
    assert everything() == before


def test_a_device_exchanges_its_own_key(world: World, client: Client) -> None:
    path = f"api-key/device/{world.device.pk}/device-key"
    answer = client.call("POST", path, world.device_key)  # one of ours
    assert (answer.status, len(answer.json) >= 32) == (200, True)
    assert client.call("POST", path, world.device_key).status == 401
    assert client.call("POST", path, answer.json, {"apiKey": CHOSEN}).json == CHOSEN


def test_bad_exchanges(world: World, client: Client) -> None:
    path, before = f"api-key/device/{world.device.pk}/device-key", everything()
    taken = world.service_key
    for body in (
        {"apiKey": "k" * 31},
        {"apiKey": "k" * 32},
        {"apiKey": 5},
        {"apiKey": taken},
        {"apiKey": "k\0" * 20},
        {"apiKey": f" {CHOSEN}"},
        {"apiKey": f"{CHOSEN}\u043a"},
    ):
        answer = client.call("POST", path, world.device_key, body)
        assert (answer.status, answer.json["field"]) == (400, "apiKey"), body
    for number in (world.stranger.pk, 10**17, 0):
        other = f"api-key/device/{number}/device-key"
        assert client.call("POST", other, world.device_key, {"apiKey": CHOSEN}).status == 401
    assert client.call("POST", "api-key/device/x/device-key", world.device_key).status == 404
    assert everything() == before


def test_a_deleted_device_registers_again(world: World, client: Client) -> None:
    number = register(world, client)
    lifecycle.delete(device=Device.objects.get(pk=number), actor=None)
    assert ApiKey.objects.filter(device=number).count() == 0
    answer = client.call("POST", "device/register", world.provisioning_key, BODY)
    assert (answer.status, answer.json["api_key"]) == (201, CHOSEN)
    assert client.call("GET", f"device/v3/{UUID}/state", CHOSEN).status == 200
