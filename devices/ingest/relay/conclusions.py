"""What the API's answer to a relayed call proves (docs/balena.md has the table). No database is asked.

An answer of success alone proves nothing: the API answers 200 and 304 to strangers, too.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from devices.ingest.client_address import caller
from devices.ingest.http import Refused, Request, header, header_or_query_key
from devices.ingest.relay.observations import (
    Links,
    Observation,
    Poll,
    Refusal,
    Registration,
    Report,
    ServerSign,
    ServerStart,
)
from devices.ingest.relay.paths import Call, Kind
from devices.ingest.supervisor import bodies
from devices.ingest.supervisor.reports import changes, changes2, changes3
from devices.sources import intervals

if TYPE_CHECKING:
    from collections.abc import Callable

    from devices.ingest.relay.passing import Exchange
    from devices.ingest.relay.proofs import Proofs

SUPERVISOR: Final = b"Supervisor/"  # how the User-Agent of a supervisor begins
UNPACKED: Final = 4 * 1024 * 1024  # bytes of an answer that was packed; of a longer one nothing is read


class Numbered(msgspec.Struct):
    """An answer with the id that the API gave."""

    id: int


class Registered(Numbered):
    """The answer to a registration, with the key that the device has from then on."""

    uuid: str
    api_key: str


class Target(msgspec.Struct):
    """What an answer says of a device that reads its state, without its apps."""

    config: dict[str, str] = {}


def concluded(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    """What a call and its answer prove; None: nothing. What they prove about its key is noted in `proofs`.

    Raises Refused where the body is none that the site can read.
    """
    conclude = CONCLUSIONS.get(call.kind)
    return conclude(call, exchange, proofs) if conclude else None


def _poll(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    key = _key(exchange)
    if exchange.status == 401:
        return _refusal(call.uuid, key, exchange, proofs)
    accepted = exchange.status == 200 or (exchange.status == 304 and _answered(exchange, b"etag"))
    if not accepted or not key or not (_of_supervisor(exchange) or proofs.uuid(key) == call.uuid):
        return None
    proofs.note(key, call.uuid)
    return Poll(call.uuid, _interval(call.uuid, exchange), caller(exchange.scope).address)


def _report3(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    if exchange.status not in {200, 401}:
        return None
    uuid, state = bodies.parse_by_uuid(bodies.State3, _body(exchange))
    key = _key(exchange)
    if exchange.status == 401:
        return _refusal(uuid, key, exchange, proofs)
    proofs.note(key, uuid)
    facts = changes3(state)
    facts.pop("target_release", None)  # the API knows which release the device should run, and the mirror it
    return Report(uuid, facts)


def _report2(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    if exchange.status != 200 or proofs.uuid(_key(exchange)) != call.uuid:
        return None
    state = bodies.parse_body(bodies.Report2, _request(call, exchange)).local
    return Report(call.uuid, changes2(state or bodies.State2()))


def _model(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    uuid = proofs.uuid(_key(exchange))
    if exchange.status != 200 or not uuid:
        return None
    request = _request(call, exchange)
    if not call.number and bodies.named_uuid(request) != uuid:
        return None
    facts = changes(bodies.parse_body(bodies.State, request))
    return Report(uuid, facts, call.number) if facts else None


def _registration(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    if exchange.status != 201:
        return None
    body = bodies.parse_body(bodies.Registration, _request(call, exchange))
    given = msgspec.json.decode(_answer(exchange), type=Registered)
    proofs.note(given.api_key, given.uuid)
    return Registration(given.uuid, given.id, int(body.application), body.device_type, changes(body.state()))


def _server_start(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    if exchange.status != 201:
        return None
    address = bodies.parse_body(bodies.Instance, _request(call, exchange)).ip_address or ""
    return ServerStart(msgspec.json.decode(_answer(exchange), type=Numbered).id, address)


def _server_sign(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    if exchange.status != 200:
        return None
    is_alive = bodies.parse_body(bodies.Sign, _request(call, exchange)).is_alive
    return ServerSign(call.number) if is_alive else None


def _links(call: Call, exchange: Exchange, proofs: Proofs) -> Observation | None:
    if exchange.status != 200:
        return None
    clients = bodies.parse_body(bodies.Clients, _request(call, exchange))
    return Links(clients.service_id, tuple(clients.uuids), call.kind == Kind.CONNECT)


CONCLUSIONS: Final[dict[Kind, Callable[[Call, Exchange, Proofs], Observation | None]]] = {
    Kind.POLL: _poll,
    Kind.REPORT3: _report3,
    Kind.REPORT2: _report2,
    Kind.MODEL: _model,
    Kind.REGISTRATION: _registration,
    Kind.SERVER_START: _server_start,
    Kind.SERVER_SIGN: _server_sign,
    Kind.CONNECT: _links,
    Kind.DISCONNECT: _links,
}


def _refusal(uuid: str, key: str, exchange: Exchange, proofs: Proofs) -> Observation | None:
    """That a device was refused with a key of its own; None: it is that of a stranger or another device."""
    proved = proofs.uuid(key)
    if proved == uuid:
        proofs.forget(key)
    return Refusal(uuid) if key and _of_supervisor(exchange) and proved in {"", uuid} else None


def _key(exchange: Exchange) -> str:
    """The key of the call; empty: it has none."""
    try:
        return header_or_query_key(exchange.scope)
    except Refused:
        return ""


def _of_supervisor(exchange: Exchange) -> bool:
    return (header(exchange.scope, b"user-agent") or b"").startswith(SUPERVISOR)


def _request(call: Call, exchange: Exchange) -> Request:
    """The call as the parsers of the supervisor dialect take it."""
    named = {"uuid": call.uuid} if call.uuid else {}
    return Request(exchange.scope, _nothing_more, named, "", _body(exchange), "", 0.0)


async def _nothing_more() -> Any:
    raise AssertionError("The body was read already.")


def _body(exchange: Exchange) -> bytes:
    """The body of the call. Raises Refused (413) where it is longer than what is read along."""
    if exchange.body is None or header(exchange.scope, b"content-encoding"):
        raise Refused(413, "This body is passed on, and not read.", "body")
    return exchange.body


def _interval(uuid: str, exchange: Exchange) -> int | None:
    """The poll interval that the answer tells, in seconds; None: it tells none that can be read."""
    try:
        by_name = msgspec.json.decode(_answer(exchange), type=dict[str, msgspec.Raw])
        target = msgspec.json.decode(by_name.get(uuid) or by_name["local"], type=Target)
    except (KeyError, ValueError, zlib.error):
        return None
    return intervals.seconds(target.config.get(intervals.COUNTED, ""))


def _answer(exchange: Exchange) -> bytes:
    """The body of the answer, unpacked. Raises ValueError where it cannot be, zlib.error."""
    encoding = _answered(exchange, b"content-encoding")
    if exchange.answer is None or encoding not in {b"", b"gzip"}:
        raise ValueError("an answer that is not read")
    if not encoding:
        return exchange.answer
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    unpacked = unpacking.decompress(exchange.answer, UNPACKED)
    if not unpacking.eof:
        raise ValueError("a packed answer that is too long, or cut")
    return unpacked


def _answered(exchange: Exchange, name: bytes) -> bytes:
    """The value of a header of the answer; empty: it has none."""
    return next((value for known_name, value in exchange.headers if known_name.lower() == name), b"")
