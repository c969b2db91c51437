"""What a caller gets wrong: the right 4xx naming the field, nothing applied, connection usable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from devices import clock, keys
from devices.models import ApiKey
from fleets.access.digests import digests
from tests.devices.ingest.client import Answer, Client
from tests.devices.ingest.world import World, everything

NUL = "a\0b"
LONG = "x" * 256
HUGE = b'{"os_version": "' + b"x" * 1_000_000 + b'"}'


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    key: str  # the field of World that holds the right one
    body: Any  # a good one


CALLS = [
    Call("POST", "register", "provisioning_key", {}),
    Call("POST", "heartbeat", "device_key", None),
    Call("PATCH", "report", "device_key", {"os_version": "6"}),
    Call("POST", "vpn/connect", "service_key", {"server": "s", "devices": []}),
    Call("POST", "vpn/disconnect", "service_key", {"server": "s", "devices": []}),
    Call("POST", "vpn/alive", "service_key", {"server": "s", "boot": "1"}),
]
BY_PATH = {call.path: call for call in CALLS}
every_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)

# Bodies that are no JSON object in UTF-8: refused by every call, as a whole.
NO_OBJECT: list[Any] = [
    b"{",
    b'{"server": ',
    b"nonsense",
    b"[]",
    b"null",
    b'"text"',
    b"7",
    b'{"server": "s", "boot": "b", "devices": []} {}',
    b'{"name": "\xff", "os_version": "\xff", "server": "\xff"}',
    b'{"name": "\\ud800", "os_version": "\\ud800", "server": "\\ud800"}',
    b'{"name": "a\0b", "os_version": "a\0b", "server": "a\0b"}',
    b'{"x": NaN}',
    b'{"x": ' + b"[" * 100_000,
    b"\xef\xbb\xbf{}",
    b" ",
]

REPORTS: list[tuple[Any, str]] = [
    *(({name: 6}, name) for name in ("os_version", "supervisor_version", "release")),
    *(({name: NUL}, name) for name in ("os_version", "target_release", "provisioning_state")),
    *(({name: LONG}, name) for name in ("os_version", "supervisor_version", "provisioning_state")),
    ({"os_version": None}, "os_version"),
    ({"os_version": ["6"]}, "os_version"),
    ({"ip_addresses": "192.0.2.7 192.0.2.8"}, "ip_addresses"),
    ({"ip_addresses": ["192.0.2.7", 8]}, "ip_addresses[1]"),
    ({"ip_addresses": ["192.0.2.7", NUL]}, "ip_addresses[1]"),
    ({"mac_addresses": [LONG]}, "mac_addresses[0]"),
    ({"mac_addresses": [""] * 65}, "mac_addresses"),
    ({"update_status": "exploding"}, "update_status"),
    ({"update_status": 1}, "update_status"),
    *(
        ({name: value}, name)
        for name in ("provisioning_progress", "update_progress")
        for value in ("50", "", -1, 101, 50.5, True, [50], 10**30)
    ),
    ({"metrics": 5}, "metrics"),
    ({"metrics": []}, "metrics"),
    ({"metrics": None}, "metrics"),
    ({"metrics": {"cpu_percent": "12"}}, "metrics.cpu_percent"),
    ({"metrics": {"cpu_percent": True}}, "metrics.cpu_percent"),
    (b'{"metrics": {"temperature": 1e999}}', "metrics.temperature"),
    ({"metrics": {"memory_used": "1024"}}, "metrics.memory_used"),
    ({"metrics": {"memory_total": -1}}, "metrics.memory_total"),
    ({"metrics": {"storage_used": 2**63}}, "metrics.storage_used"),
    ({"metrics": {"storage_total": 1.5}}, "metrics.storage_total"),
    ({"metrics": {"undervolted": 0}}, "metrics.undervolted"),
    ({"os_version": "good", "update_progress": "bad"}, "update_progress"),
]
LINKS: list[tuple[Any, str]] = [
    ({}, "server"),
    ({"server": "s"}, "devices"),
    ({"devices": []}, "server"),
    ({"server": 1, "devices": []}, "server"),
    ({"server": "", "devices": []}, "server"),
    ({"server": NUL, "devices": []}, "server"),
    ({"server": LONG, "devices": []}, "server"),
    ({"server": "s", "devices": "a" * 32}, "devices"),
    ({"server": "s", "devices": {}}, "devices"),
    ({"server": "s", "devices": ["a" * 32, 5]}, "devices[1]"),
    ({"server": "s", "devices": [None]}, "devices[0]"),
    ({"server": "s", "devices": [NUL]}, "devices[0]"),
    ({"server": "s", "devices": [{"uuid": "a" * 32}]}, "devices[0].session"),
    ({"server": "s", "devices": [{"session": "1"}]}, "devices[0].uuid"),
    ({"server": "s", "devices": [{"uuid": "a" * 32, "session": 1}]}, "devices[0].session"),
    ({"server": "s", "devices": [{"uuid": "a" * 32, "session": NUL}]}, "devices[0].session"),
]
# What each call refuses, and the field it names.
BAD_FIELDS: dict[str, list[tuple[Any, str]]] = {
    "register": [
        ({"uuid": 5}, "uuid"),
        ({"uuid": "A" * 32}, "uuid"),
        ({"uuid": "a" * 31}, "uuid"),
        ({"uuid": "a" * 33}, "uuid"),
        ({"uuid": "a" * 32 + "\n"}, "uuid"),
        ({"uuid": "g" * 32}, "uuid"),
        ({"uuid": ""}, "uuid"),
        ({"name": 5}, "name"),
        ({"name": NUL}, "name"),
        ({"name": LONG}, "name"),
        ({"device_type": ["pi"]}, "device_type"),
        ({"device_type": NUL}, "device_type"),
    ],
    "heartbeat": REPORTS,
    "report": REPORTS,
    "vpn/connect": LINKS,
    "vpn/disconnect": LINKS,
    "vpn/alive": [
        ({}, "server"),
        ({"server": 1}, "server"),
        ({"server": NUL}, "server"),
        ({"server": "s", "boot": 1}, "boot"),
        ({"server": "s", "boot": ""}, "boot"),
        ({"server": "s", "boot": NUL}, "boot"),
        ({"server": "s", "boot": "b", "connected": "a" * 32}, "connected"),
        ({"server": "s", "boot": "b", "connected": [5]}, "connected[0]"),
        ({"server": "s", "boot": "b", "connected": [{"uuid": "a" * 32}]}, "connected[0]"),
    ],
}


def is_refusal(answer: Answer) -> bool:
    """An error in JSON for people, that tells nothing of our inside."""
    return (
        answer.headers["content-type"] == "application/json"
        and set(answer.json) == {"error", "field"}
        and bool(answer.json["error"])
        and not any(word in answer.text for word in ("Traceback", "File ", "regex", "psycopg"))
    )


@pytest.mark.thorough
@every_call
def test_bad_bodies(call: Call, world: World, client: Client) -> None:
    key = getattr(world, call.key)
    bad = [(body, "body") for body in NO_OBJECT] + BAD_FIELDS[call.path]
    assert client.call(call.method, call.path, key, call.body).status < 300
    port, before = client.local_port, everything()
    for body, field in bad:
        answer = client.call(call.method, call.path, key, body)
        assert (answer.status, answer.json["field"]) == (400, field), body
        assert is_refusal(answer), body
        assert client.local_port == port, body
    assert everything() == before
    assert client.call(call.method, call.path, key, call.body).status < 300


@pytest.mark.thorough
@every_call
def test_a_body_of_a_megabyte(call: Call, world: World, client: Client) -> None:
    before = everything()
    announced = client.call(call.method, call.path, getattr(world, call.key), HUGE)
    port = client.local_port
    chunks = (HUGE[start : start + 50_000] for start in range(0, len(HUGE), 50_000))
    streamed = client.stream(call.method, call.path, getattr(world, call.key), chunks)
    for answer in (announced, streamed):
        assert (answer.status, answer.json["field"]) == (413, "body")
        assert is_refusal(answer)
    assert everything() == before
    assert client.call(call.method, call.path, getattr(world, call.key), call.body).status < 300
    assert client.local_port == port


def test_a_body_up_to_the_limit_is_read(world: World, client: Client) -> None:
    filler = {"os_version": "6", "more": "x" * (512 * 1024 - 31)}
    assert client.call("PATCH", "report", world.device_key, filler).status == 204
    filler["more"] += "x"
    assert client.call("PATCH", "report", world.device_key, filler).status == 413


def bad_keys(call: Call, world: World) -> list[str | None]:
    """Missing, empty, unknown, impossible, of another kind, expired, revoked."""
    expired = new_key(call, world)
    past = clock.now() - timedelta(seconds=1)
    ApiKey.objects.filter(digest=digests(expired)[0]).update(expires_at=past)
    revoked = new_key(call, world)
    revoked_key = keys.named(revoked)
    assert revoked_key is not None
    keys.revoke(revoked_key)
    others = {"provisioning_key", "device_key", "service_key"} - {call.key}
    foreign = [getattr(world, other) for other in sorted(others)]
    return [None, "", "nonsense", "\xff" * 40, "x" * 5000, *foreign, expired, revoked]


def new_key(call: Call, world: World) -> str:
    if call.key == "device_key":
        return keys.new_device_key(world.device)
    if call.key == "provisioning_key":
        return keys.new_provisioning_key(world.fleet)
    return keys.new_service_key(world.organization)


@pytest.mark.thorough
@every_call
def test_bad_keys(call: Call, world: World, client: Client) -> None:
    bad = bad_keys(call, world)
    before = everything()
    for key in bad:
        for body in (call.body, b"{"):
            answer = client.call(call.method, call.path, key, body)
            assert (answer.status, answer.json["field"]) == (401, "Authorization"), key
            assert is_refusal(answer)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert everything() == before
    assert client.call(call.method, call.path, getattr(world, call.key), call.body).status < 300


def test_another_scheme_is_no_key(world: World, client: Client) -> None:
    for value in (f"Basic {world.device_key}", world.device_key, "Bearer", "Bearer "):
        assert client.call("POST", "heartbeat", Authorization=value).status == 401
    lower = client.call("POST", "heartbeat", Authorization=f"bearer {world.device_key}")
    assert lower.status == 200


@every_call
def test_wrong_methods(call: Call, world: World, client: Client) -> None:
    before = everything()
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - {call.method}:
        answer = client.call(method, call.path, getattr(world, call.key), call.body)
        assert (answer.status, answer.json["field"]) == (405, "method")
        assert answer.headers["allow"] == call.method
        assert is_refusal(answer)
    assert client.call("HEAD", call.path, getattr(world, call.key)).status == 405
    assert everything() == before
    assert client.call(call.method, call.path, getattr(world, call.key), call.body).status < 300


def test_unknown_paths(world: World, client: Client) -> None:
    for path in ("", "heartbeats", "heartbeat/", "vpn", "../v1/heartbeat", "heartbeat%00"):
        answer = client.call("POST", path, world.device_key)
        assert (answer.status, answer.json["field"]) == (404, "path")
        assert is_refusal(answer)


def test_a_heartbeat_with_a_bad_report_does_not_count(world: World, client: Client) -> None:
    before = everything()
    answer = client.call("POST", "heartbeat", world.device_key, {"update_progress": 101})
    assert (answer.status, answer.json["field"]) == (400, "update_progress")
    assert everything() == before
