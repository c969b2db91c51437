"""A relay of its own in front of an upstream: a real server and raw calls, without a database."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from devices.ingest.relay.backlog import Seen
from devices.ingest.relay.hosts import Target
from devices.ingest.relay.observations import Observation
from devices.ingest.relay.pool import Address
from devices.ingest.relay.relay import Relay
from tests.devices.ingest.server import serving

HOST = "api.example"
SOURCE = 7
PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the wire: its status, headers and body, and how the body was framed."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    framing: str  # length, chunked, or no body

    @property
    def names(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers}


@dataclass
class Alone:
    """The relay as an ASGI app; what it concludes is in `seen`."""

    address: Address
    relay: Relay = field(default_factory=Relay)
    seen: list[Observation] = field(default_factory=list)
    port: int = 0
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.relay._ways.pool.close()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            try:
                await self.relay.serve(Target(SOURCE, self.address), scope, receive, send)
            finally:
                self.ended.release()

    def keep(self, seen: Seen) -> None:
        assert seen.source == SOURCE
        self.seen.append(seen.observation)

    def call(self, raw: bytes) -> Answer:
        """The answer to a request, on a connection of its own, once what it proves was concluded."""
        with closing(self.connect()) as connection:
            connection.sendall(raw)
            answer = read(connection, raw.partition(b" ")[0].decode())
        assert self.ended.acquire(timeout=PATIENCE)
        return answer

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)


@contextmanager
def relaying(port: int, host: str = "127.0.0.1", *, secure: bool = False) -> Iterator[Alone]:
    """A relay in front of the API at this port."""
    alone = Alone(Address(host, port, secure))
    alone.relay.backlog.add = alone.keep  # type: ignore[method-assign]
    with serving(alone) as alone.port:
        yield alone


def read(connection: socket.socket, method: str) -> Answer:
    """Read one answer to a request of this method. Raises EOFError where it is cut."""
    with connection.makefile("rb") as stream:
        status = int(line(stream).split(" ")[1])
        headers = []
        while text := line(stream):
            name, _, value = text.partition(": ")
            headers.append((name, value))
        names = dict(headers)
        if names.get("transfer-encoding") == "chunked":
            return Answer(status, headers, b"" if method == "HEAD" else chunks(stream), "chunked")
        if "content-length" in names:
            length = 0 if method == "HEAD" else int(names["content-length"])
            return Answer(status, headers, exactly(stream, length), "length")
        return Answer(status, headers, b"", "no body")


def line(stream: Any) -> str:
    text: bytes = stream.readline()
    if not text.endswith(b"\r\n"):
        raise EOFError
    return text[:-2].decode("latin-1")


def chunks(stream: Any) -> bytes:
    body = b""
    while size := int(line(stream), 16):
        body += exactly(stream, size)
        line(stream)
    line(stream)
    return body


def exactly(stream: Any, length: int) -> bytes:
    data: bytes = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def request(
    method: str, target: str, *headers: tuple[str, str], body: bytes = b"", host: str = HOST
) -> bytes:
    """A request as it goes over the wire, its body with a length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
