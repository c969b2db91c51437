"""The edges of HTTP that a client library hides: messages, proxies, lifespan."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from tests.devices.ingest import raw
from tests.devices.ingest.world import World, everything


def ask(*args: Any) -> Any:
    return raw.run(lambda app: raw.ask(app, *args))


def test_a_body_may_come_in_pieces(world: World) -> None:
    asked = raw.scope("PATCH", "report", world.device_key)
    pieces = [b'{"os_ver', b"", b'sion": "6"}']
    answer = ask(asked, *(raw.body_message(p, more=p is not pieces[-1]) for p in pieces))
    assert answer.status == 204
    assert answer.headers == {}
    world.device.refresh_from_db()
    assert world.device.os_version == "6"


def test_reading_stops_where_a_body_is_too_large(world: World) -> None:
    """Only three of a thousand pieces are taken; an announced length is enough to take none."""
    piece = raw.body_message(b"x" * 200_000, more=True)
    pieces = [piece] * 1000
    assert ask(raw.scope("PATCH", "report", world.device_key), *pieces).status == 413
    announced = raw.scope("PATCH", "report", world.device_key, content_length="600000")
    assert ask(announced, {"type": "http.never"}).status == 413


def test_a_caller_that_leaves_gets_nothing_and_nothing_counts(world: World) -> None:
    before = everything()
    asked = raw.scope("POST", "heartbeat", world.device_key)
    half = raw.body_message(b'{"os_version', more=True)
    assert ask(asked, half, {"type": "http.disconnect"}) is None
    assert everything() == before


def test_the_lifespan_is_served() -> None:
    sent: list[str] = []
    coming = ["lifespan.startup", "lifespan.shutdown"]

    async def receive() -> Any:
        return {"type": coming.pop(0)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope: Any = {"type": "lifespan"}
    asyncio.run(Ingest(CALLS)(scope, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_address_of_a_poll_is_kept_and_no_report_s(world: World) -> None:
    report = raw.scope("PATCH", "report", world.device_key, peer="203.0.113.1")
    assert ask(report, raw.body_message({})).status == 204
    world.device.refresh_from_db()
    assert world.device.public_address is None
    for peer in ("203.0.113.2", "2001:db8::2"):
        assert ask(raw.scope("POST", "heartbeat", world.device_key, peer=peer)).status == 200
        world.device.refresh_from_db()
        assert world.device.public_address == peer
    (answer,) = raw.all_of(partial(raw.heartbeat, key=world.device_key, x_forwarded_for="8.8.8.8"))
    assert answer.status == 200
    world.device.refresh_from_db()
    assert world.device.public_address == "198.51.100.1"
