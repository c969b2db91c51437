"""Requests that the app takes are answered without a task, on connections that others use, too."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dashboard import listen
from devices.ingest.offered import AT_ONCE, Answer
from tests.devices.ingest.server import TICK, serving

TAKEN = b"taken"
SERVED = b"served"


class App:
    """Takes what is for `/take`, and answers it after `seconds`, once `may_answer`; serves all else."""

    def __init__(self) -> None:
        self.answer: Answer | None = Answer(200, ((b"content-length", b"5"), (b"x-one", b"1")), TAKEN)
        self.offered: list[str] = []
        self.served: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.state: dict[str, Any] = {}

    def take(self, scope: Any, answered: Callable[[Answer | None], None]) -> bool:
        self.offered.append(scope["path"])
        if scope["path"] != "/take":
            return False
        self._answer_later(answered)
        return True

    def _answer_later(self, answered: Callable[[Answer | None], None]) -> None:
        if self.may_answer.is_set():
            asyncio.get_running_loop().call_soon(answered, self.answer)
        else:
            asyncio.get_running_loop().call_later(TICK, self._answer_later, answered)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.state = scope["state"]
            self.state[AT_ONCE] = self
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.served.append(scope["path"])
        headers = [(b"content-length", b"6"), (b"x-one", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": SERVED})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def port(app: App) -> Iterator[int]:
    with serving(app) as port:
        yield port


def get(path: str, *, version: str = "1.1", more: str = "") -> bytes:
    return f"GET {path} HTTP/{version}\r\nhost: x\r\n{more}\r\n".encode()


CLOSE = "connection: close\r\n"


def said(port: int, *parts: bytes, half_close: bool = False) -> bytes:
    """All that the server says to these parts of a connection, until it closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for part in parts:
            client.sendall(part)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def bodies(answers: bytes) -> list[bytes]:
    return [body for body in (TAKEN, SERVED) for _ in range(answers.count(body))]


def head(answer: bytes, body: bytes) -> list[bytes]:
    lines = answer.removesuffix(b"\r\n\r\n" + body).split(b"\r\n")
    return sorted(line for line in lines if not line.startswith((b"date: ", b"content-length: ")))


def test_a_request_that_is_taken_is_answered_as_any_other(port: int) -> None:
    taken, served = (said(port, get(path, more=CLOSE)) for path in ("/take", "/serve"))
    assert taken.endswith(b"\r\n\r\n" + TAKEN)
    assert head(taken, TAKEN) == head(served, SERVED)
    assert taken.count(b"date: ") == served.count(b"date: ") == 1


def test_what_was_taken_and_given_back_is_served(app: App, port: int) -> None:
    app.answer = None
    assert bodies(said(port, get("/take", more=CLOSE))) == [SERVED]
    assert app.offered == ["/take"]


def test_a_connection_is_used_again_and_answers_come_in_order(port: int) -> None:
    requests = [get("/take"), get("/serve"), get("/take"), get("/serve", more=CLOSE)]
    for parts in (requests, [b"".join(requests)]):  # one after the other, and pipelined
        answers = said(port, *parts)
        places = [answers.find(body) for body in (TAKEN, SERVED)]
        assert bodies(answers) == [TAKEN] * 2 + [SERVED] * 2
        assert places == sorted(places)
        assert answers.endswith(SERVED)


@pytest.mark.parametrize("last", [get("/take", version="1.0"), get("/take", more=CLOSE)])
def test_the_last_answer_says_that_the_connection_is_closed(port: int, last: bytes) -> None:
    answer = said(port, last)
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(TAKEN)


def test_a_client_that_has_closed_its_sending_side_gets_its_answer(port: int) -> None:
    assert bodies(said(port, get("/take"), half_close=True)) == [TAKEN]


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("given_back", [False, True])
def test_a_client_that_has_left_is_no_error(
    app: App, port: int, caplog: pytest.LogCaptureFixture, *, given_back: bool, resets: bool
) -> None:
    app.may_answer.clear()
    if given_back:
        app.answer = None
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(get("/take"))
        until(lambda: bool(app.offered))
        if resets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert bodies(said(port, get("/serve", more=CLOSE))) == [SERVED]  # the server has seen it leave
    app.may_answer.set()
    assert bodies(said(port, get("/take", more=CLOSE))) == [SERVED if given_back else TAKEN]
    if given_back:  # what it sent counts
        until(lambda: app.served == ["/serve", "/take", "/take"])
    assert complaints(caplog) == []


def test_a_request_with_others_behind_it_whose_connection_is_closed_is_no_error(
    app: App, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    app.may_answer.clear()
    app.answer = None
    assert said(port, get("/take") * 3 + b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    app.may_answer.set()
    until(lambda: app.served == ["/take"])
    assert bodies(said(port, get("/serve", more=CLOSE))) == [SERVED]
    assert complaints(caplog) == ["WARNING"]  # of the nonsense


def test_nothing_is_taken_from_a_process_that_is_about_to_end(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[bytes] = []

    def call_when_it_ends() -> None:
        until(lambda: AT_ONCE not in app.state)
        with other:
            other.sendall(get("/take"))
            answers.append(b"".join(iter(lambda: other.recv(65536), b"")))
        app.may_answer.set()

    app.may_answer.clear()
    with serving(app) as port, socket.create_connection(("127.0.0.1", port), 10) as client:
        monkeypatch.setattr(listen, "SECONDS", 1.0)  # of draining
        other = socket.create_connection(("127.0.0.1", port), 10)
        other.sendall(get("/serve"))
        assert other.recv(65536).endswith(SERVED)
        client.sendall(get("/take"))
        until(lambda: len(app.offered) == 2)
        calling = threading.Thread(target=call_when_it_ends)
        calling.start()
    calling.join()
    assert bodies(answers[0]) == [SERVED]
    assert b"\r\nconnection: close\r\n" in answers[0]


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records if record.levelno >= logging.WARNING]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(TICK)
    raise AssertionError("It never came so.")
