"""A tiny site that answers the native protocol and writes down what it was told."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Call:
    """One call, as it came in; `at` is the event loop's clock."""

    at: float
    name: str
    key: str
    body: dict[str, Any] | None


@dataclass
class Recorder:
    """What came in, and how to answer; `fail` holds a status to answer to calls of that name."""

    poll_interval: float = 0.2
    calls: list[Call] = field(default_factory=list)
    fail: dict[str, int] = field(default_factory=dict)
    refuse_keys: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    url: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, enough: Callable[[Recorder], bool]) -> None:
        """Return once what was heard is enough."""
        while not enough(self):
            self.news.clear()
            await self.news.wait()

    def of(self, name: str, key: str | None = None) -> list[Call]:
        return [each for each in self.calls if each.name == name and key in (None, each.key)]

    def keys(self) -> dict[str, str]:
        """The keys given out, by the device's name."""
        return {each.body["name"]: f"key-of-{each.body['uuid']}" for each in self.of("register") if each.body}

    async def answer(self, request: web.Request) -> web.Response:
        name = request.path.rsplit("/", 1)[1]
        text = await request.text()
        key = request.headers["Authorization"].removeprefix("Bearer ")
        body: dict[str, Any] | None = json.loads(text) if text else None
        self.calls.append(Call(asyncio.get_running_loop().time(), name, key, body))
        self.news.set()
        if name in self.fail:
            return web.json_response({"error": "as told"}, status=self.fail[name])
        if key in self.refuse_keys:
            return web.json_response({"error": "unknown key"}, status=401)
        answer: dict[str, Any]
        match name:
            case "register":
                device = (body or {}).get("uuid") or uuid.uuid4().hex
                who = {"uuid": device, "key": f"key-of-{device}"}
                status, answer = 201, who | {"poll_interval": self.poll_interval}
            case "heartbeat":
                frozen = {"frozen": "allowance"} if key in self.frozen else {}
                status, answer = 200, {"poll_interval": self.poll_interval} | frozen
            case "report" if key in self.frozen:
                status, answer = 403, {"error": "frozen", "reason": "allowance"}
            case "report":
                return web.Response(status=204)
            case _:
                status, answer = 200, {"changed": 0, "unknown": []}
        return web.json_response(answer, status=status)


@asynccontextmanager
async def recording_site(recorder: Recorder) -> AsyncIterator[Recorder]:
    """Serve on a free port of this machine."""
    app = web.Application()
    for method, path in (
        ("POST", "register"),
        ("POST", "heartbeat"),
        ("PATCH", "report"),
        ("POST", "vpn/connect"),
        ("POST", "vpn/disconnect"),
        ("POST", "vpn/alive"),
    ):
        app.router.add_route(method, f"/api/v1/{path}", recorder.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    recorder.url = f"http://127.0.0.1:{port}"
    try:
        yield recorder
    finally:
        await runner.cleanup()
