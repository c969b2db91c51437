"""Which key may make which call: every call of the ingest with every kind of key, against one table.

The calls come from the ingest itself: one that is not in the table fails, with its name.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from asgiref.typing import HTTPScope
from django.db import connection

from devices import clock, keys
from devices.ingest.app import Ingest
from devices.ingest.native import calls as native
from devices.ingest.routes import Routes
from devices.ingest.supervisor import calls as supervisor
from devices.models import ApiKey, Device, VpnServer
from devices.operations import lifecycle
from devices.operations.lifecycle import NewDevice
from fleets.models import Fleet
from tests.access.calls import CALLS, Entry, Key
from tests.devices.ingest.raw import ask, body_message, scope, unlimited
from tests.factories import make_fleet, make_organization, make_uuid

SITE_CALLS = (*native.CALLS, *supervisor.CALLS)


def test_every_call_is_in_the_table_and_no_other() -> None:
    assert sorted((call.method, call.path) for call in SITE_CALLS) == sorted(CALLS)


@pytest.mark.parametrize("path", [entry.path for (method, _), entry in CALLS.items() if method == "GET"])
def test_head_is_answered_wherever_get_is(path: str) -> None:
    """Agents look with it whether anybody is there, and what time it is."""
    routes, path = Routes(SITE_CALLS), filled(path, {"uuid": "5" * 32}).partition("?")[0]
    of_get, of_head = (routes.find(at(method, path)) for method in ("GET", "HEAD"))
    assert of_head == of_get


def at(method: str, path: str) -> HTTPScope:
    asked = scope(method, "")
    asked["path"] = path
    return asked


@dataclass(frozen=True)
class Places:
    """Ours, where the target is, and another organization."""

    fleet: Fleet
    foreign: Fleet


@dataclass(frozen=True)
class Attempt:
    """One call with one key, about a target of its own."""

    key: str | None
    target: Device
    facts: dict[str, str]


@pytest.fixture
def places(transactional_db: None) -> Places:
    return Places(make_fleet(make_organization()), make_fleet(make_organization()))


@pytest.mark.parametrize("name", CALLS, ids=" ".join)
def test_who_may(places: Places, name: tuple[str, str]) -> None:
    """And whose key is for another device, or for none, changes nothing about the target."""
    entry = CALLS[name]
    attempts = attempted(places, entry.kind)
    before = {key: facts_of(each.target.pk) for key, each in attempts.items()}
    answers = asyncio.run(make(name, entry, attempts))
    assert answers == entry.expected
    for key in set(Key) - entry.reach:
        assert facts_of(attempts[key].target.pk) == before[key], key


async def make(name: tuple[str, str], entry: Entry, attempts: dict[Key, Attempt]) -> dict[Key, int]:
    app = Ingest(SITE_CALLS, unlimited())
    try:
        return {key: await status(app, name, entry, each) for key, each in attempts.items()}
    finally:
        await app.stop()


async def status(app: Ingest, name: tuple[str, str], entry: Entry, each: Attempt) -> int:
    method, pattern = name
    path, _, query = filled(entry.path, each.facts).partition("?")
    asked = scope(method, "", each.key, **entry.headers)
    asked |= {"path": path, "raw_path": path.encode(), "query_string": query.encode()}
    assert app._routes.find(asked)[0].path == pattern  # it is the call that is meant
    answer = await ask(app, asked, body_message(encoded(entry.body, each.facts)))
    assert answer is not None
    return answer.status


def filled(text: str, facts: dict[str, str]) -> str:
    for name, value in facts.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def encoded(body: Any, facts: dict[str, str]) -> bytes:
    if body is None:
        return b""
    text = filled(body if isinstance(body, str) else json.dumps(body), facts)
    for number in ("id", "instance"):  # these are numbers
        text = text.replace(f'"{facts[number]}"', facts[number])
    return text.encode()


def facts_of(device_id: int) -> list[Any]:
    """All that is known about a device."""
    tables = {"devices_device": "id", "devices_heartbeat": "device_id", "devices_apikey": "device_id"}
    found = []
    with connection.cursor() as cursor:
        for table, column in tables.items():
            cursor.execute(f"SELECT to_jsonb(t) FROM {table} t WHERE {column} = %s", [device_id])  # noqa: S608
            found.append(cursor.fetchall())
    return found


def attempted(places: Places, kind: ApiKey.Kind) -> dict[Key, Attempt]:
    registered_with = keys.new_provisioning_key(places.fleet)
    targets = lifecycle.register_all(
        fleet=places.fleet,
        new=[NewDevice(make_uuid()) for _ in Key],
        provisioning_key=keys.named(registered_with),
    )
    return {
        key: attempt(places, key, kind, target, registered_with)
        for key, target in zip(Key, targets, strict=True)
    }


def attempt(places: Places, key: Key, kind: ApiKey.Kind, target: Device, registered_with: str) -> Attempt:
    if key == Key.FROZEN:
        Device.objects.filter(pk=target.pk).update(frozen_reason="unpaid")
    foreign = key in {Key.FOREIGN, Key.FOREIGN_PROVISIONING, Key.FOREIGN_SERVICE}
    caller = None if key == Key.SITE_SERVICE else (places.foreign if foreign else places.fleet).organization
    server = VpnServer.objects.create(name=make_uuid(), organization=caller)
    facts = {
        "uuid": target.uuid,
        "id": str(target.pk),
        "server": server.name,
        "instance": str(server.pk),
        "new": make_uuid(),
    }
    presented = made(places, key, kind, target, registered_with)
    if key == Key.DELETED:
        lifecycle.delete(device=target, actor=None)
        target.pk = int(facts["id"])
    return Attempt(presented, target, facts)


def made(places: Places, key: Key, kind: ApiKey.Kind, target: Device, registered_with: str) -> str | None:
    match key:
        case Key.OWN | Key.FROZEN | Key.DELETED:
            return keys.new_device_key(target)
        case Key.SIBLING | Key.FOREIGN:
            fleet = places.fleet if key == Key.SIBLING else places.foreign
            return keys.new_device_key(lifecycle.register(fleet=fleet))
        case Key.PROVISIONING:
            return registered_with
        case Key.OTHER_PROVISIONING | Key.FOREIGN_PROVISIONING:
            return keys.new_provisioning_key(
                places.fleet if key == Key.OTHER_PROVISIONING else places.foreign
            )
        case Key.SERVICE | Key.FOREIGN_SERVICE:
            fleet = places.fleet if key == Key.SERVICE else places.foreign
            return keys.new_service_key(fleet.organization)
        case Key.SITE_SERVICE:
            return keys.new_service_key(None)
        case Key.REVOKED | Key.EXPIRED:
            return ended(places, key, kind, target)
        case Key.NONSENSE:
            return "nonsense" * 6
    return None


def ended(places: Places, key: Key, kind: ApiKey.Kind, target: Device) -> str:
    """A key that would do, but for its end."""
    text = {
        ApiKey.Kind.DEVICE: lambda: keys.new_device_key(target),
        ApiKey.Kind.PROVISIONING: lambda: keys.new_provisioning_key(places.fleet),
        ApiKey.Kind.SERVICE: lambda: keys.new_service_key(places.fleet.organization),
    }[kind]()
    row = keys.named(text)
    assert row is not None
    past = clock.now() - timedelta(seconds=1)
    if key == Key.REVOKED:
        keys.revoke(row, past)
    else:
        ApiKey.objects.filter(pk=row.pk).update(expires_at=past)
    return text
