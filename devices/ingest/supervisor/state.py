"""State polls and reports of supervisors, in batches with those of the native dialect (protocol.md)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from devices import keys
from devices.connectivity.heartbeats import SUPERVISOR_LEAST
from devices.ingest.contacts import Contact
from devices.ingest.http import Refused, Reply, header, unauthorized
from devices.ingest.supervisor.bodies import (
    Report2,
    State,
    State2,
    State3,
    named_uuid,
    parse_body,
    parse_by_uuid,
)
from devices.ingest.supervisor.reports import changes, changes2, changes3

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

    from devices.ingest.app import Ingest
    from devices.ingest.http import Request
    from devices.keys import KeyHolder

POLL_INTERVAL: Final = "BALENA_SUPERVISOR_POLL_INTERVAL"  # in milliseconds
VPN_CONTROL: Final = "BALENA_SUPERVISOR_VPN_CONTROL"

UuidAndFacts = tuple[str | None, dict[str, Any]]


# Polls


async def state3(request: Request, ingest: Ingest) -> Reply:
    """A state poll, answered with the target state in the v3 form."""
    return await _poll(request, ingest, answer3)


async def state2(request: Request, ingest: Ingest) -> Reply:
    """A state poll, answered with the target state in the v2 form."""
    return await _poll(request, ingest, answer2)


async def _poll(request: Request, ingest: Ingest, answer: Callable[[HTTPScope, KeyHolder], Reply]) -> Reply:
    device = await _contact(request, ingest, request.named["uuid"], None, is_poll=True)
    if device is None:
        await _require_former(request, ingest, request.named["uuid"])
        return Reply(304)
    return answer(request.scope, device)


def answer3(scope: HTTPScope, device: KeyHolder) -> Reply:
    """The answer to a poll for the target state in the v3 form."""
    return _answer(scope, device, target3)


def answer2(scope: HTTPScope, device: KeyHolder) -> Reply:
    """The answer to a poll for the target state in the v2 form."""
    return _answer(scope, device, target2)


def _answer(scope: HTTPScope, device: KeyHolder, target: Callable[[KeyHolder], dict[str, Any]]) -> Reply:
    if device.frozen_reason:
        return Reply(304)
    body, tag = with_tag(target(device))
    tagged = ((b"etag", tag),)
    if _matches(header(scope, b"if-none-match") or b"", tag):
        return Reply(304, headers=tagged)
    return Reply(200, body, tagged)


def with_tag(target: dict[str, Any]) -> tuple[bytes, bytes]:
    """A target state as JSON, and its entity tag with its quotes."""
    body = msgspec.json.encode(target)
    return body, b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()


def _matches(condition: bytes, tag: bytes) -> bool:
    return any(candidate.strip().removeprefix(b"W/") in {tag, b"*"} for candidate in condition.split(b","))


def target3(device: KeyHolder) -> dict[str, Any]:
    """The target state of a device in the v3 form: name, configuration, no apps."""
    return {device.uuid: {"name": _name(device), "config": _config(device), "apps": {}}}


def target2(device: KeyHolder) -> dict[str, Any]:
    """The target state of a device in the v2 form: name, configuration, no apps."""
    local = {"name": _name(device), "config": _config(device), "apps": {}}
    return {"local": local, "dependent": {"apps": {}, "devices": {}}}


def _name(device: KeyHolder) -> str:
    return device.name or device.uuid[:7]


def _config(device: KeyHolder) -> dict[str, str]:
    config = {POLL_INTERVAL: str(1000 * max(SUPERVISOR_LEAST, device.poll_interval))}
    # Where it is not named, the VPN is on: a device whose VPN is not set must be able to connect, which sets
    # it.
    return config | {VPN_CONTROL: "false"} if device.vpn_off else config


# Reports


async def report3(request: Request, ingest: Ingest) -> Reply:
    """A report in the v3 form."""
    return await _report(request, ingest, _read_state_v3)


async def report2(request: Request, ingest: Ingest) -> Reply:
    """A report in the v2 form; one of a deleted device's agent is answered 200 and ignored."""
    try:
        return await _report(request, ingest, _read_state_v2, request.named["uuid"])
    except Refused as refusal:
        if refusal.status == 401:
            await _require_former(request, ingest, request.named["uuid"])
            return Reply(200)
        raise


async def flasher(request: Request, ingest: Ingest) -> Reply:
    """A report of a script of the OS: a flasher or an OS update."""
    return await _report(request, ingest, _read_device)


async def _report(
    request: Request, ingest: Ingest, read: Callable[[Request], UuidAndFacts], uuid: str | None = None
) -> Reply:
    facts: dict[str, Any] | Refused
    try:
        uuid, facts = read(request)
    except Refused as refusal:
        facts = refusal
    device = await _contact(request, ingest, uuid, facts, is_poll=False)
    if device is None or device.frozen_reason:
        raise unauthorized()
    if isinstance(facts, Refused):
        raise facts
    return Reply(200)


def _read_state_v3(request: Request) -> UuidAndFacts:
    uuid, state = parse_by_uuid(State3, request.body)
    return uuid, changes3(state)


def _read_state_v2(request: Request) -> UuidAndFacts:
    return request.named["uuid"], changes2(parse_body(Report2, request).local or State2())


def _read_device(request: Request) -> UuidAndFacts:
    return named_uuid(request), changes(parse_body(State, request))


async def _contact(
    request: Request,
    ingest: Ingest,
    uuid: str | None,
    facts: dict[str, Any] | Refused | None,
    *,
    is_poll: bool,
) -> KeyHolder | None:
    contact = Contact(request.key, is_poll, facts, request.address, uuid, supervisor=True)
    return await ingest.contact(contact, request)


async def _require_former(request: Request, ingest: Ingest, uuid: str) -> None:
    """Raises Refused (401) unless the request's key was that of a deleted device with this UUID."""
    await ingest.in_a_thread(partial(_former, request.key, uuid))


def _former(key: str, uuid: str) -> Reply:
    former = keys.former(key)
    if former is None or former.device_uuid != uuid:
        raise unauthorized()
    return Reply(304)
