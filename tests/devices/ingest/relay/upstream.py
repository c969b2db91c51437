"""An API behind the relay that says exactly what a test gives it, and remembers exactly what it was sent."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from typing import BinaryIO

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Sent:
    """A request as it arrived: its first line, its headers, and its body without its framing."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int  # the how many-th connection it came on

    @property
    def names(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers}


Answer = Callable[[Sent, socket.socket], bool]


@dataclass
class Upstream:
    """`answers` are given in turn, the last one for ever.

    One is bytes, or a function that answers and returns whether the connection stays open. `reads_bodies`:
    it answers once a request is complete, and not after its headers.
    """

    port: int = 0
    answers: list[bytes | Answer] = field(default_factory=list)
    reads_bodies: bool = True
    sent: list[Sent] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # at the end
            while True:
                connection, _ = listener.accept()
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection, len(self._open)))
                self._threads.append(thread)
                thread.start()

    def end(self) -> None:
        self.ending.set()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(EOFError, OSError), connection, connection.makefile("rb") as stream:
            while self._answer(connection, stream, number):
                pass
            connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, connection: socket.socket, stream: BufferedReader, number: int) -> bool:
        line = text(stream)
        headers = []
        while header := text(stream):
            name, _, value = header.partition(": ")
            headers.append((name, value))
        names = {name.lower(): value for name, value in headers}
        if "expect" in names:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = body_of(stream, names) if self.reads_bodies else b""
        sent = Sent(line, headers, body, number)
        self.sent.append(sent)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if callable(answer):
            return answer(sent, connection)
        connection.sendall(answer)
        while not self.reads_bodies and stream.read1(65536):  # what comes is dropped
            pass
        return self.reads_bodies


def text(stream: BinaryIO) -> str:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    return line[:-2].decode("latin-1")


def body_of(stream: BinaryIO, names: dict[str, str]) -> bytes:
    """The body of a request with these headers. Raises EOFError where it is cut."""
    if names.get("transfer-encoding") != "chunked":
        return exactly(stream, int(names.get("content-length", 0)))
    body = bytearray()
    while size := int(text(stream), 16):
        body += exactly(stream, size)
        text(stream)
    text(stream)
    return bytes(body)


def exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


@contextmanager
def upstream(*answers: bytes | Answer, tls: ssl.SSLContext | None = None) -> Iterator[Upstream]:
    """An API that listens, by TLS where it has what a server needs to show for it."""
    plain = socket.create_server((HOST, 0))
    with tls.wrap_socket(plain, server_side=True) if tls else plain as listener:
        api = Upstream(listener.getsockname()[1], list(answers))
        accepting = threading.Thread(target=api.accept, args=(listener,))
        accepting.start()
        try:
            yield api
        finally:
            with suppress(OSError):  # a handshake that failed has ended it
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            api.end()
