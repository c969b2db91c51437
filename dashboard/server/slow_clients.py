"""uvicorn's HTTP protocol with limits for slow clients.

uvicorn waits without end for a request's headers, of any length, so that a few thousand clients that send a
byte now and then would take all connections. Bodies are limited by the apps (dashboard.http.request_limits,
devices.ingest.http), the number of connections by dashboard.server.accepting.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dashboard.server.accepting import Accepting

HEAD_TIMEOUT: Final = 10.0  # seconds from connecting, or a request's first byte, to the end of its headers
HEAD_LIMIT: Final = 64 * 1024  # bytes of a request line and its headers, checked after each read
RESPONSE_TIMEOUT: Final = 60.0  # seconds until a response must begin for a client that has half-closed


class Protocol(HttpToolsProtocol):
    """One connection; its deadline runs while a request's head, that is its headers, is incomplete."""

    _deadline: asyncio.TimerHandle | None = None
    _head_size = 0
    _in_head = False
    _in_body = False
    _got_head = False

    def __init__(self, *, accepting: Accepting, **as_uvicorn_says: Any) -> None:
        super().__init__(**as_uvicorn_says)
        self._accepting = accepting

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        self._accepting.waits(self)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        self._accepting.left(self)
        super().connection_lost(exc)

    def let_go(self) -> None:
        """Close the connection at the limit of connections, while it has no complete request."""
        self._head_is_there()
        if self.transport.get_write_buffer_size():  # a response that the client does not read
            self.transport.abort()
        elif self._is_answering() and not self.cycle.response_started:
            self._end(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        was_in_body, self._got_head = self._in_body, False
        super().data_received(data)
        if self.transport.is_closing():
            self._head_is_there()
        elif self._in_head or not (
            was_in_body or self._got_head
        ):  # empty lines before a head count as part of it
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            elif self._deadline is None:
                self._wait_for_head()
        elif self._in_body and not self._is_answering():  # the rest of a refused body, which is dropped
            if self._deadline is None:
                self._wait_for_head()
        elif self._deadline is not None:
            self._head_is_there()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn leaves it to the transport, which closes
        """Whether to stay open after the client has closed its sending side: if a request is being answered.

        A client that has closed both sides looks the same until something is written to it.
        """
        if self._is_incomplete():
            self._refuse_incomplete()
        elif self._is_answering() and not _wants_events(self.cycle.scope):
            self._head_is_there()
            self._deadline = self.loop.call_later(RESPONSE_TIMEOUT, self._no_answer)
            self.cycle.keep_alive = False  # the connection is closed after this response
            return True
        return False

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._got_head, self._head_size = False, True, True, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._is_answering():
            self._accepting.works(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body or not self._is_answering():
            self._accepting.waits(self)

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_TIMEOUT, self._too_slow)

    def _head_is_there(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        # While a request is being answered, the head of the next one may take longer.
        if self._is_answering():
            self._wait_for_head()
        elif self._head_size:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _no_answer(self) -> None:
        """Close the connection of a client that may have left, unless its response has begun."""
        if not self.cycle.response_started:
            self.transport.close()

    def _is_incomplete(self) -> bool:
        """Whether the client has closed its sending side within a request that was not answered."""
        return self._in_body if self._is_answering() else self._in_head

    def _refuse_incomplete(self) -> None:
        if not self._is_answering() or not (self.pipeline or self.cycle.response_started):
            self._head_is_there()
            self._end(HTTPStatus.BAD_REQUEST)

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _refuse(self, status: HTTPStatus) -> None:
        self._head_is_there()
        if self._is_answering():  # a status line would be in the middle of another response
            self.transport.close()
        else:
            self._end(status)

    def _end(self, status: HTTPStatus) -> None:
        line = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(line.encode())
        self.transport.close()


def _wants_events(scope: HTTPScope) -> bool:
    """Whether it is a browser's event stream, which never ends: a half-closed one has left its page."""
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    return any(b"text/event-stream" in value for value in accepted)
