"""One kept connection to the server, as an agent has, and nothing between it and the test."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    def __init__(self, port: int, base: str = "/api/v1/") -> None:
        self.port = port
        self.base = base
        self.connection = HTTPConnection("127.0.0.1", port, timeout=10)

    def another(self) -> Client:
        return Client(self.port, self.base)

    def close(self) -> None:
        self.connection.close()

    def call(
        self, method: str, path: str, key: str | None = None, body: Any = None, **headers: str
    ) -> Answer:
        """The answer; `body` is sent as it is if it is bytes, else as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {key}"} if key is not None else {}
        self.connection.request(method, f"{self.base}{path}", raw, sent | headers)
        return self._answer()

    def stream(self, method: str, path: str, key: str, chunks: Iterable[bytes]) -> Answer:
        """Sends the body in chunks, without saying beforehand how long it is."""
        headers = {"Authorization": f"Bearer {key}", "Transfer-Encoding": "chunked"}
        url = f"{self.base}{path}"
        self.connection.request(method, url, iter(chunks), headers, encode_chunked=True)
        return self._answer()

    def _answer(self) -> Answer:
        response = self.connection.getresponse()
        text = response.read().decode()
        return Answer(response.status, text, {k.lower(): v for k, v in response.getheaders()})

    @property
    def local_port(self) -> int | None:
        """Tells whether two answers came over the same connection."""
        return self.connection.sock.getsockname()[1] if self.connection.sock else None
