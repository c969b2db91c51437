"""The whole site behind a real server, and callers that speak to it byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from dashboard.asgi import application
from tests.devices.ingest.server import serving


@contextmanager
def site() -> Iterator[int]:
    """The port of the pages as production serves them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":  # the lifespan is the ingest's, and ends it
            await application(scope, receive, send)

    with serving(app) as port:
        yield port


@contextmanager
def calling(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 15) as caller:
        yield caller


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


def head(method: str, path: str, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(caller: socket.socket) -> Answer:
    with closing(HTTPResponse(caller)) as response:
        response.begin()
        return Answer(response.status, response.headers, response.read().decode())  # type: ignore[arg-type]


def ask(port: int, sent: bytes) -> Answer:
    with calling(port) as caller:
        caller.sendall(sent)
        return answer(caller)
