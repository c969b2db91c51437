"""The calls of the native dialect, which anybody can make with curl (protocol.md, Native)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from devices import clock, connectivity, keys
from devices.connectivity.vpn import ListRequired, unknown_uuids
from devices.ingest.app import in_a_thread, registering
from devices.ingest.contacts import Contact
from devices.ingest.http import Refused, Reply, json_reply, unauthorized
from devices.ingest.native import openapi
from devices.ingest.native.bodies import Alive, Links, Registration, Report, parse
from devices.ingest.native.replies import Changed, Frozen, Polled, Registered
from devices.ingest.registrations import Dialect
from devices.ingest.routes import Call, SteadyPoll
from devices.models import ApiKey
from devices.operations.lifecycle import NewDevice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from devices.ingest.app import Ingest
    from devices.ingest.http import Request
    from devices.models import Device
    from fleets.models import Organization


async def heartbeat(request: Request, ingest: Ingest) -> Reply:
    """A state poll, with a report if there is a body."""
    report = _report_or_refusal(request.body) if request.body else None
    contact = Contact(request.key, is_poll=True, report=report, address=request.address)
    device = await _accepted(contact, request, ingest)
    if isinstance(report, Refused) and not device.frozen_reason:
        raise report
    return polled(device.poll_interval, device.frozen_reason)


@lru_cache(maxsize=256)
def polled(interval: int, frozen_reason: str) -> Reply:
    """The reply to a poll of a device with this interval in force, in seconds."""
    return json_reply(200, Polled(interval, frozen_reason or UNSET))


async def report(request: Request, ingest: Ingest) -> Reply:
    """A report without a poll; refused (403) for a frozen device."""
    payload = _report_or_refusal(request.body)
    contact = Contact(request.key, is_poll=False, report=payload, address=request.address)
    device = await _accepted(contact, request, ingest)
    if device.frozen_reason:
        error = "This device is frozen, so its reports are refused."
        return json_reply(403, Frozen(error, device.frozen_reason))
    if isinstance(payload, Refused):
        raise payload
    return Reply(204)


async def _accepted(contact: Contact, request: Request, ingest: Ingest) -> keys.KeyHolder:
    device = await ingest.contact(contact, request)
    if device is None:
        raise unauthorized()
    return device


def _report_or_refusal(body: bytes) -> dict[str, Any] | Refused:
    try:
        return parse(Report, body).changes()
    except Refused as refusal:
        return refusal


def _new_device(request: Request) -> tuple[NewDevice, str | None]:
    body = parse(Registration, request.body)
    address = request.address or None
    return NewDevice(body.uuid, body.name, body.device_type, address=address), None


def _registered(device: Device, key: str, interval: int) -> Reply:
    return json_reply(201, Registered(device.uuid, key, interval))


def _uuid_taken() -> Refused:
    return Refused(409, "This UUID is already registered.", "uuid")


# A device registers itself with a provisioning key, and is answered its own key.
REGISTER: Final = registering(Dialect(_new_device, _registered, _uuid_taken))


def vpn_connect(request: Request) -> Reply:
    """Devices connected to a VPN server."""
    return _links(request, connectivity.vpn_connected)


def vpn_disconnect(request: Request) -> Reply:
    """Devices disconnected from a VPN server."""
    return _links(request, connectivity.vpn_disconnected)


def vpn_alive(request: Request) -> Reply:
    """A life sign of a VPN server, with its list of connected devices if it gives one."""
    at = clock.moment()
    reach = _caller(request, ApiKey.Kind.SERVICE, at.at).organization
    sign = parse(Alive, request.body)
    try:
        changed = connectivity.vpn_alive(sign.server, sign.connected, at, boot=sign.boot, organization=reach)
    except ListRequired as missing:
        error = "The first sign after a silence must contain what is connected, or a boot."
        raise Refused(409, error, "connected") from missing
    return _changed(changed, sign.connected or [], reach)


def _links(request: Request, record: Callable[..., int]) -> Reply:
    at = clock.moment()
    reach = _caller(request, ApiKey.Kind.SERVICE, at.at).organization
    links = parse(Links, request.body)
    uuids = links.uuids()
    changed = record(links.server, uuids, at, organization=reach, sessions=links.sessions())
    return _changed(changed, uuids, reach)


def _changed(changed: int, uuids: list[str], reach: Organization | None) -> Reply:
    return json_reply(200, Changed(changed, unknown_uuids(uuids, reach)))


def _caller(request: Request, kind: ApiKey.Kind, at: datetime) -> ApiKey:
    key = keys.find(request.key, kind, at)
    if key is None:
        raise unauthorized()
    return key


STEADY: Final = SteadyPoll(lambda _, device: polled(device.poll_interval, device.frozen_reason))
CALLS = (
    Call("POST", "/api/v1/heartbeat", heartbeat, steady=STEADY),
    Call("PATCH", "/api/v1/report", report),
    Call("POST", "/api/v1/register", REGISTER, kind=ApiKey.Kind.PROVISIONING),
    Call("POST", "/api/v1/vpn/connect", in_a_thread(vpn_connect), kind=ApiKey.Kind.SERVICE),
    Call("POST", "/api/v1/vpn/disconnect", in_a_thread(vpn_disconnect), kind=ApiKey.Kind.SERVICE),
    Call("POST", "/api/v1/vpn/alive", in_a_thread(vpn_alive), kind=ApiKey.Kind.SERVICE),
    openapi.CALL,
)
