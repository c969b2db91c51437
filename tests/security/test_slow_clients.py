"""Callers that never get to the point, over raw sockets to a real server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dashboard import listen
from dashboard.server import slow_clients
from devices.ingest import http
from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from tests.devices.ingest.server import serving
from tests.worker import PATIENCE

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def app(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Reads a request whole unless it is a PUT, and answers with as many bytes as its path says."""
    if scope["type"] == "lifespan":
        return
    while scope["method"] != "PUT" and (await receive()).get("more_body"):
        pass
    body = b"x" * int(scope["path"].strip("/") or 2)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEAD_TIMEOUT", 0.6)
    monkeypatch.setattr(listen, "UNREAD", 1000)


@contextmanager
def calling(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as caller:
        yield caller


@pytest.fixture
def caller() -> Iterator[socket.socket]:
    with serving(app) as port, calling(port) as connected:
        yield connected


def rest(caller: socket.socket) -> bytes:
    """What comes until the server closes."""
    came = b""
    try:
        while data := caller.recv(65536):
            came += data
    except ConnectionResetError:
        pass
    return came


def trickle(caller: socket.socket, text: bytes) -> bytes:
    """Sends this byte by byte, for ever, until the server closes; what it said then."""
    began = time.monotonic()
    try:
        while time.monotonic() - began < PATIENCE:
            caller.sendall(text[:1] or b"x")
            text = text[1:]
            time.sleep(0.05)
    except OSError:
        return rest(caller)
    raise AssertionError("the server is patient for ever")


def test_who_says_nothing_is_let_go(caller: socket.socket) -> None:
    assert rest(caller) == b""


@pytest.mark.parametrize("beginning", [HEAD + b"X-A: ", b"GET /", b"\r\n" * 1000])
def test_a_head_that_never_ends(caller: socket.socket, beginning: bytes) -> None:
    said = trickle(caller, beginning)
    assert said.startswith(b"HTTP/1.1 408 ") or not said  # a reset may overtake it


def test_it_is_said_why(caller: socket.socket) -> None:
    caller.sendall(HEAD)
    assert rest(caller) == b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def test_the_second_request_is_as_urgent_as_the_first(caller: socket.socket) -> None:
    caller.sendall(HEAD + b"\r\n")
    assert caller.recv(65536).startswith(b"HTTP/1.1 200")
    said = trickle(caller, HEAD)
    assert said.startswith(b"HTTP/1.1 408 ") or not said


def test_heads_have_a_length(caller: socket.socket) -> None:
    try:
        caller.sendall(HEAD + b"X-A: " + b"a" * 300_000)
    except OSError:
        return
    said = rest(caller)
    assert said.startswith(b"HTTP/1.1 431 ") or not said


def test_a_whole_head_has_no_deadline(caller: socket.socket) -> None:
    """Bodies are the apps' business: a supervisor streams its logs for hours."""
    caller.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n")
    for _ in range(6):
        time.sleep(0.3)
        caller.sendall(b"x")
    assert caller.recv(65536).startswith(b"HTTP/1.1 200")


def test_in_pieces_but_in_time(caller: socket.socket) -> None:
    for piece in (HEAD[:20], HEAD[20:], b"\r\n", HEAD, b"\r\n"):
        caller.sendall(piece)
        time.sleep(0.1)
    assert caller.recv(65536).count(b"HTTP/1.1 200") == 2


def test_what_comes_after_a_refusal_comes_soon(caller: socket.socket) -> None:
    """A body that was not wanted is dropped, so that the connection stays usable; but not for ever."""
    caller.sendall(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
    assert caller.recv(65536).startswith(b"HTTP/1.1 200")
    caller.sendall(b"12345" + HEAD + b"\r\n")
    assert caller.recv(65536).startswith(b"HTTP/1.1 200")
    caller.sendall(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n")
    assert caller.recv(65536).startswith(b"HTTP/1.1 200")
    assert trickle(caller, b"") == b""


def test_bodies_of_calls_have_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_TIMEOUT", 0.5)
    with serving(Ingest(CALLS)) as port, calling(port) as caller:
        caller.sendall(b"POST /api/v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\n")
        caller.sendall(b"Content-Length: 100\r\n\r\n{")
        said = rest(caller)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b'"The body did not arrive in time."' in said


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux lets go of such callers")
def test_who_takes_nothing_of_its_answer_is_let_go() -> None:
    with serving(app) as port, calling(port) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.sendall(b"GET /50000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(4)
        assert len(rest(caller)) < 50_000_000
