"""A client of the native protocol: one pool of connections, with counts and latencies of its calls."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

CONNECTIONS = 256
TIMEOUT = 15.0  # seconds for one call, as long as an agent's patience
SAMPLES = 5000  # latencies kept for the percentiles


class SiteDown(Exception):
    """No answer, or a 5xx or 429: the call should be retried later."""


class Refused(Exception):
    """Another 4xx, which a retry would not change; `body` is the answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body.get('error', '')}".strip())
        self.status = status
        self.body = body


@dataclass(slots=True)
class Stats:
    """The calls of a run, their errors and latencies."""

    calls: Counter[str] = field(default_factory=Counter)  # answered, by kind of call
    errors: Counter[str] = field(default_factory=Counter)  # by status, or by what went wrong
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))  # seconds

    def percentile(self, share: float) -> float:
        """The latency in seconds that `share` (0 to 1) of the latest calls did not exceed; 0: no calls."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Site:
    """A running site. Use it as an async context manager; leaving closes the connections."""

    def __init__(self, url: str, *, proxy: str = "", stats: Stats | None = None) -> None:
        """`proxy`: an address of this machine that the site trusts as a proxy, from which calls are made."""
        self.url = url.rstrip("/")
        self.stats = stats or Stats()
        self._proxy = proxy
        self._turn = asyncio.Semaphore(CONNECTIONS)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS, local_addr=(self._proxy, 0) if self._proxy else None
            ),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def register(self, key: str, body: dict[str, Any], address: str = "") -> dict[str, Any]:
        """Register a device, from `address`; returns the answer with its uuid and key.

        Raises SiteDown, Refused.
        """
        answer = await self.call("register", "POST", "/api/v1/register", key, body, address)
        if not answer.keys() >= {"uuid", "key"}:
            self.stats.errors["not a site"] += 1
            raise SiteDown("not a site")
        return answer

    async def poll(self, key: str, body: dict[str, Any] | None = None, address: str = "") -> dict[str, Any]:
        """Send a state poll, with a report if there is a body. Raises SiteDown, Refused."""
        return await self.call("poll", "POST", "/api/v1/heartbeat", key, body, address)

    async def report(self, key: str, body: dict[str, Any], address: str = "") -> None:
        """Send a report. Raises SiteDown, Refused."""
        await self.call("report", "PATCH", "/api/v1/report", key, body, address)

    async def vpn(self, event: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a VPN server's event: connect, disconnect or alive."""
        return await self.call(event, "POST", f"/api/v1/vpn/{event}", key, body)

    async def call(
        self, kind: str, method: str, path: str, key: str, body: dict[str, Any] | None, address: str = ""
    ) -> dict[str, Any]:
        """Make one call, through a proxy for `address`; its latency does not count the wait for a connection.

        Raises SiteDown or Refused; both are counted as errors.
        """
        headers = {"Authorization": f"Bearer {key}"}
        if self._proxy:
            headers["X-Forwarded-For"] = address or self._proxy
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        async with self._turn:
            start = time.perf_counter()
            try:
                async with self._session.request(
                    method, self.url + path, data=data, headers=headers
                ) as response:
                    status, content = response.status, await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                name = _name(error)
                self.stats.errors[name] += 1
                raise SiteDown(name) from error
        self.stats.latencies.append(time.perf_counter() - start)
        return self._judge(kind, status, content)

    def _judge(self, kind: str, status: int, content: bytes) -> dict[str, Any]:
        if 200 <= status < 300:
            self.stats.calls[kind] += 1
            return _object(content)
        self.stats.errors[str(status)] += 1
        if status >= 500 or status == 429:
            raise SiteDown(str(status))
        raise Refused(status, _object(content))


def _object(content: bytes) -> dict[str, Any]:
    """The JSON object in a body; an empty one for anything else (a proxy's HTML page, say)."""
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _name(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "no connection"
    return "connection lost"
