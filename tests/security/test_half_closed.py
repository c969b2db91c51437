"""Callers that close their sending side, as `printf ... | nc` does: they still get their answer."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.server import slow_clients
from tests.devices.ingest.server import serving
from tests.programs import required
from tests.security.sockets import calling, head
from tests.worker import wait_until

GET = head("GET", "/5")


class App:
    """Answers with as many bytes as the path says, a moment after the request."""

    def __init__(self) -> None:
        self.departed = 0

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] == "lifespan":
            return
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect" or scope["path"] == "/never":
            await self._departure(message, receive)
            return
        if scope["path"] == "/now-and-then":
            await self._write_until_gone(receive, send)
            return
        await asyncio.sleep(0.05)  # the end of what the caller sends is there by now
        size = int(scope["path"].strip("/"))
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while size:
            part = min(size, 65536)
            size -= part
            await send({"type": "http.response.body", "body": b"x" * part, "more_body": size > 0})

    async def _write_until_gone(self, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        gone = asyncio.ensure_future(self._departure({"type": ""}, receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.01)

    async def _departure(self, message: Any, receive: Callable[[], Any]) -> None:
        while message["type"] != "http.disconnect":
            message = await receive()
        self.departed += 1


def half_closed(port: int, sent: bytes) -> bytes:
    """What a caller gets that sends this and no more, until the server closes."""
    with calling(port) as caller:
        caller.sendall(sent)
        caller.shutdown(socket.SHUT_WR)
        came = b""
        while data := caller.recv(65536):
            came += data
        return came


@pytest.mark.parametrize("size", [5, 3_000_000])
def test_nc_gets_the_whole_answer(size: int) -> None:
    nc = [required("busybox"), "nc", "127.0.0.1"]
    with serving(App()) as port:
        said = subprocess.run(
            [*nc, str(port)], input=head("GET", f"/{size}"), capture_output=True, timeout=60, check=True
        ).stdout
    start, _, body = said.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close" in start
    assert body == b"x" * size


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (head("POST", "/5", Content_Length="3") + b"abc", 1),
        (GET * 3, 3),
        (GET + GET[:20], 1),
        (b"\r\n" + GET + b"\r\n", 1),
        (b"GET /5 HTTP/1.0\r\n\r\n", 1),
    ],
)
def test_every_whole_request_is_answered(sent: bytes, answers: int) -> None:
    with serving(App()) as port:
        said = half_closed(port, sent)
    assert (said.count(b"HTTP/1.1 200 OK"), said.count(b"xxxxx")) == (answers, answers)
    assert said.count(b"HTTP/1.1 ") == answers


@pytest.mark.parametrize("sent", [GET[:20], head("POST", "/5", Content_Length="10") + b"abc"])
def test_one_that_ends_within_a_request_is_told_so(sent: bytes) -> None:
    app = App()
    with serving(app) as port:
        said = half_closed(port, sent)
    assert said == b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert app.departed == sent.startswith(b"POST")


def test_one_that_sends_nothing_is_let_go_at_once() -> None:
    with serving(App()) as port:
        assert half_closed(port, b"") == b""


def test_an_answer_that_does_not_come_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "RESPONSE_TIMEOUT", 0.2)
    app = App()
    with serving(app) as port:
        assert half_closed(port, head("GET", "/never")) == b""
    assert app.departed == 1


def test_a_browser_that_left_its_event_stream_holds_no_place() -> None:
    app = App()
    with serving(app) as port:
        assert half_closed(port, head("GET", "/never", Accept="text/event-stream")) == b""
    assert app.departed == 1


def test_one_that_is_gone_is_met_by_what_is_written_to_it() -> None:
    app = App()
    with serving(app) as port:
        with calling(port) as caller:
            caller.sendall(head("GET", "/now-and-then"))
            assert caller.recv(100).startswith(b"HTTP/1.1 200")
        wait_until(lambda: app.departed == 1)
