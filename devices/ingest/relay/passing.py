"""Passing a call on to an API, and its answer back, byte for byte (docs/balena.md, the relay)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from devices.ingest.http import BODY_PACE, Disconnected, header, too_slow
from devices.ingest.open_calls import OpenCalls
from devices.ingest.pace import Pace
from devices.ingest.relay import circles
from devices.ingest.relay.connection import Closed, Connection, Failed, Head, Headers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

    from devices.ingest.relay.pool import Address, Pool

Result = TypeVar("Result")

# Bytes of a request that are read along, and that can be sent a second time; more is passed, not read.
READ_ALONG: Final = 64 * 1024
ANSWER_READ: Final = 512 * 1024  # bytes of an answer that are read along
# Seconds until an answer must begin, between two parts of it, and until a request's body must be there
# (one more for each BODY_PACE bytes that came).
TIMEOUT: Final = 30.0
# Headers about a connection and not about a call (RFC 9110, 7.6.1): each side has its own.
HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
CHUNKED: Final = (b"transfer-encoding", b"chunked")


@dataclass(slots=True)
class Exchange:
    """A call and its answer, as far as they were read along; None: a body that was too long for that."""

    scope: HTTPScope
    body: bytes | None = None
    status: int = 0  # 0: there is no answer yet
    headers: Headers = field(default_factory=list)
    answer: bytes | None = b""

    def add(self, chunk: bytes) -> None:
        """Read a part of the answer along."""
        if self.answer is not None:
            longer = len(self.answer) + len(chunk) > ANSWER_READ
            self.answer = None if longer else self.answer + chunk


@dataclass(frozen=True)
class Ways:
    """What the calls of one event loop share on their way to an API."""

    pool: Pool
    open: OpenCalls = field(default_factory=OpenCalls)


class Body:
    """The body of a request: what was read of it, and whether more is to come."""

    def __init__(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> None:
        self.scope = scope
        self._receive = receive
        self._pace = Pace(TIMEOUT, BODY_PACE)
        self._is_chunked = (header(scope, b"transfer-encoding") or b"").lower() == b"chunked"
        self.read = b""  # READ_ALONG bytes and a part, at most
        self.more = True

    async def read_along(self) -> None:
        """Read the body, up to READ_ALONG bytes and a part. Raises Disconnected, Refused (408)."""
        while self.more and len(self.read) <= READ_ALONG:
            await self.part()

    async def part(self) -> bytes:
        """The next part of it. Raises Disconnected, Refused (408)."""
        try:
            message: Any = await self._pace.chunk(self._receive)
        except TimeoutError:
            raise too_slow() from None
        if message["type"] != "http.request":
            raise Disconnected
        part: bytes = message.get("body", b"")
        self.more = message.get("more_body", False)
        if len(self.read) <= READ_ALONG:
            self.read += part
        return part

    def whole(self) -> bytes | None:
        """All of it; None: it is not there, or longer than what is read along."""
        return None if self.more or len(self.read) > READ_ALONG else self.read

    def framed(self, part: bytes) -> bytes:
        """A part of it as it is sent, with what follows the last part."""
        if not self._is_chunked:
            return part
        chunk = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
        return chunk if self.more else chunk + b"0\r\n\r\n"


async def pass_on(
    exchange: Exchange, receive: ASGIReceiveCallable, send: ASGISendCallable, ways: Ways, address: Address
) -> None:
    """Pass the call of `exchange` on to `address`, and the answer back, which is read along.

    Raises Failed where there is no whole answer, Disconnected where the caller left in the middle of its
    call, and Refused where its body did not come (408) or it goes in a circle (508).
    """
    body = Body(exchange.scope, receive)
    waits = header(exchange.scope, b"expect") is not None  # with its body, until the API wants it
    if not waits:
        await body.read_along()
    with circles.kept_out(ways.open, exchange.scope, body.read[:READ_ALONG]):
        await _pass_on(exchange, body, send, ways.pool, address, waits=waits)


async def _pass_on(
    exchange: Exchange, body: Body, send: ASGISendCallable, pool: Pool, address: Address, *, waits: bool
) -> None:
    connection, head = await _answered(body, pool, address, waits=waits)
    try:
        exchange.status, exchange.headers = head.status, head.headers
        await _pass_back(exchange, connection, send)
        exchange.body = body.whole()
        if body.more:  # it was answered before its end, so the connection is still in the middle of it
            connection.abort()
        pool.give_back(address, connection)
    except BaseException:
        connection.abort()
        raise


async def _answered(body: Body, pool: Pool, address: Address, *, waits: bool) -> tuple[Connection, Head]:
    """The connection on which the answer began, and its head. Raises as `pass_on`.

    A call that meets a kept connection which the API has just closed is made once more. One that cannot be
    sent a second time takes a fresh connection.
    """
    fresh = waits or body.more
    while True:
        connection = await pool.take(address, fresh=fresh)
        try:
            return connection, await _ask(connection, body, waits=waits)
        except BaseException as error:
            connection.abort()
            if fresh or not (isinstance(error, Closed) and connection.reused):
                raise
        fresh = True


async def _ask(connection: Connection, body: Body, *, waits: bool) -> Head:
    """Send the request; the head of its answer. Raises as `pass_on`."""
    connection.begin(bodyless=body.scope["method"] == "HEAD")
    head = request_head(body.scope)
    await connection.write(head if waits else head + body.framed(body.read))
    if waits:
        await in_time(connection.continued())
    if body.more:
        await _send_rest(connection, body)
    return await in_time(connection.head())


async def _send_rest(connection: Connection, body: Body) -> None:
    """Send the rest of a body, until its end or until the answer begins before that. Raises as `pass_on`."""
    sending = asyncio.create_task(_send(connection, body))
    heard = asyncio.create_task(connection.head())
    try:
        await asyncio.wait({sending, heard}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done() and not heard.done():
            sending.result()
    finally:
        sending.cancel()
        heard.cancel()
        await asyncio.gather(sending, heard, return_exceptions=True)


async def _send(connection: Connection, body: Body) -> None:
    while body.more:
        await connection.write(body.framed(await body.part()))


async def _pass_back(exchange: Exchange, connection: Connection, send: ASGISendCallable) -> None:
    status, headers = exchange.status, answer_headers(exchange.status, exchange.headers)
    await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
    more = True
    while more:
        part = await in_time(connection.chunk())
        exchange.add(part)
        more = not connection.is_complete()
        await send({"type": "http.response.body", "body": part, "more_body": more})


async def in_time(awaited: Awaitable[Result]) -> Result:
    """What is awaited of the API. Raises Failed where it does not come within TIMEOUT."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await awaited
    except TimeoutError:
        raise Failed("The API did not answer in time.") from None


def request_head(scope: HTTPScope) -> bytes:
    """The first line and the headers of a call as they are sent to the API."""
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    lines = [b"%b %b HTTP/1.1" % (scope["method"].encode(), target)]
    headers = list(scope["headers"])
    lines += [b"%b: %b" % pair for pair in end_to_end(headers)]
    if any(name == CHUNKED[0] for name, _ in headers):
        lines.append(b"%b: %b" % CHUNKED)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def answer_headers(status: int, headers: Headers) -> Headers:
    """The headers of an answer as they are passed back: whole, chunked or without a body as the API sent it.

    The length that a 304 may name is left out, since the server would wait for a body of it.
    """
    passed = end_to_end(headers)
    if status in {204, 304}:
        return [(name, value) for name, value in passed if name.lower() != b"content-length"]
    chunked = any(name.lower() == CHUNKED[0] for name, _ in headers)
    return [*passed, CHUNKED] if chunked else passed


def end_to_end(headers: Headers) -> Headers:
    """The headers without those about the connection, and those that `Connection` names."""
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | named]
