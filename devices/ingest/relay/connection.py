"""A connection to an API: one call after the other, its heads and bodies as bytes, unchanged.

An HTTP client would rewrite what it is given: names of headers, defaults, compression, framing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import httptools

Headers = list[tuple[bytes, bytes]]

UNREAD: Final = 256 * 1024  # bytes of an answer that wait for the caller, until the API is read no further
HEAD_LIMIT: Final = 64 * 1024  # bytes of the headers of an answer


class Failed(Exception):
    """The API did not answer, or not in HTTP; the text says how, without its data."""


class Unreachable(Failed):
    """No connection to the API came about, whatever was asked."""


class Closed(Failed):
    """The connection was closed before the first byte of an answer."""


@dataclass(slots=True)
class Head:
    """The head of an answer."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    size: int = 0  # bytes of the headers


class Connection(asyncio.Protocol):
    """One connection, on which at most one call is open."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._came = asyncio.Event()  # something of the answer, or the end of the connection
        self._end: Failed | None = None
        self._rest: asyncio.TimerHandle | None = None
        self.reused = False
        self.begin(bodyless=False)

    def begin(self, *, bodyless: bool) -> None:
        """Get ready for the answer of the next call; `bodyless`: it has no body, whatever its head says."""
        self._parser = httptools.HttpResponseParser(self)
        self._bodyless = bodyless
        self._head = Head()
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._heard = self._continued = self._has_head = self._complete = self._keeps = False

    # Of asyncio

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # not a datagram's
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(Failed("The API closed the connection.") if self._heard else Closed("closed"))
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._complete:  # more than was asked for
            self._finish(Failed("The API said more than its answer."))
            self.close()
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._finish(Failed(f"The API did not answer in HTTP: {type(error).__name__}"))
            self.close()
        self._came.set()

    def eof_received(self) -> bool:
        if self._has_head and not self._complete and not _is_framed(self._head.headers):
            self._keeps = False  # such an answer ends with its connection
            self._complete = True
            self._came.set()
        return False

    # Of httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.size += len(name) + len(value)
        if self._head.size > HEAD_LIMIT:
            raise ValueError("too many headers")
        self._head.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._complete:
            raise ValueError("a second answer")
        status = self._parser.get_status_code()
        if status < 200:
            self._continued, self._head = True, Head()
            return
        self._head.status, self._has_head = status, True
        self._keeps = self._parser.should_keep_alive()
        if self._bodyless:
            self._complete = True

    def on_body(self, body: bytes) -> None:
        if self._bodyless:
            raise ValueError("a body where none can be")
        self._chunks.append(body)
        self._size += len(body)
        if self._size > UNREAD and self._transport:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._has_head:
            self._complete = True

    # Of a call

    async def write(self, data: bytes) -> None:
        """Send bytes of the request, once the API takes more of them. Raises Failed."""
        if self._end is not None or self._transport is None:
            raise self._end or Closed("closed")
        self._transport.write(data)
        await self._writable.wait()

    async def continued(self) -> None:
        """Wait until the API wants the body, or answers without it. Raises Failed."""
        await self._until(lambda: self._continued or self._has_head)

    async def head(self) -> Head:
        """The head of the answer. Raises Failed."""
        await self._until(lambda: self._has_head)
        return self._head

    async def chunk(self) -> bytes:
        """The next bytes of the answer's body; none: it is complete. Raises Failed."""
        await self._until(lambda: bool(self._chunks) or self._complete)
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()
        return data

    def is_complete(self) -> bool:
        """Whether the answer has come, and all of it was taken."""
        return self._complete and not self._chunks

    # At rest

    def rests(self, seconds: float) -> None:
        """Close the connection unless it is taken within this time."""
        self._rest = asyncio.get_running_loop().call_later(seconds, self.close)

    def take(self) -> bool:
        """Take the connection out of its rest; whether it can make another call."""
        if self._rest is not None:
            self._rest.cancel()
        self.reused = True
        return self.is_usable()

    def is_usable(self) -> bool:
        """Whether another call can be made on it."""
        return self._end is None and self._transport is not None and not self._transport.is_closing()

    def is_kept(self) -> bool:
        """Whether the API keeps the connection open after the answer that has come."""
        return self._keeps and self.is_complete() and self.is_usable()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, end: Failed) -> None:
        self._end = self._end or end
        self._came.set()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            if self._end is not None:
                raise self._end
            self._came.clear()
            await self._came.wait()


def _is_framed(headers: Headers) -> bool:
    return any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in headers)
