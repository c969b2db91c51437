"""How many calls of a key are open at once, and how long their bodies may take."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest
from asgiref.testing import ApplicationCommunicator

from devices import keys
from devices.ingest import admission, capacity, http
from devices.ingest.app import Ingest
from devices.ingest.native import calls as native
from devices.ingest.supervisor import calls as supervisor
from devices.ingest.supervisor import logs as supervisor_logs
from devices.models import ApiKey
from tests.devices.ingest.raw import scope, unlimited
from tests.devices.ingest.world import World, everything


class Caller:
    """A call whose body comes bit by bit."""

    def __init__(self, app: Ingest, path: str, key: str) -> None:
        self._talk = ApplicationCommunicator(app, dict(scope("POST", path, key, transfer_encoding="chunked")))

    async def send(self, body: bytes, *, more: bool = True) -> None:
        await self._talk.send_input({"type": "http.request", "body": body, "more_body": more})

    async def waits(self, seconds: float = 0.05) -> bool:
        """Whether it is still being read then."""
        return bool(await self._talk.receive_nothing(seconds))

    async def answer(self) -> tuple[int, bytes]:
        start, body = await self._talk.receive_output(20), await self._talk.receive_output(20)
        await self._talk.wait(20)
        return int(start["status"]), bytes(body["body"])

    async def status(self) -> int:
        return (await self.answer())[0]

    async def leave(self) -> None:
        await self._talk.send_input({"type": "http.disconnect"})
        await self._talk.wait(20)


def calling(work: Callable[[Ingest], Awaitable[None]]) -> None:
    async def main() -> None:
        app = Ingest((*native.CALLS, *supervisor.CALLS), unlimited())
        try:
            await work(app)
        finally:
            await app.stop()

    asyncio.run(main())


async def open_streams(app: Ingest, number: int) -> None:
    """Returns once so many log streams are open."""
    async with asyncio.timeout(20):
        while sum(app.log_streams._open.values()) != number:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.fixture
def stranger_key(world: World) -> str:
    return keys.new_device_key(world.stranger)


HEARTBEAT = "/api/v1/heartbeat"


def log_stream(world: World) -> str:
    return f"/device/v2/{world.device.uuid}/log-stream"


def test_a_key_has_so_many_calls_open_and_no_other_key_feels_it(
    world: World, stranger_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(admission.OPEN, ApiKey.Kind.DEVICE, 3)

    async def work(app: Ingest) -> None:
        half = [Caller(app, HEARTBEAT, world.device_key) for _ in range(3)]
        for caller in half:
            await caller.send(b"{")
        assert await half[-1].waits()
        status, body = await Caller(app, HEARTBEAT, world.device_key).answer()
        assert (status, body) == (429, b'{"error":"This key has too many calls open at once."}')
        other = Caller(app, HEARTBEAT, stranger_key)
        await other.send(b"", more=False)
        assert await other.status() == 200
        await half[0].send(b"}", more=False)
        assert await half[0].status() == 200
        again = Caller(app, HEARTBEAT, world.device_key)
        await again.send(b"", more=False)
        assert await again.status() == 200
        for caller in half[1:]:
            await caller.leave()

    calling(work)


def test_whoever_sends_a_byte_now_and_then_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_TIMEOUT", 0.5)
    before = everything()

    async def work(app: Ingest) -> None:
        caller = Caller(app, HEARTBEAT, world.device_key)
        answer = asyncio.create_task(caller.status())
        async with asyncio.timeout(20):
            while not answer.done():
                await caller.send(b" ")
                await asyncio.sleep(0.02)
        assert answer.result() == 408

    calling(work)
    assert everything() == before


def test_a_body_that_keeps_the_pace_has_more_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_TIMEOUT", 0.3)
    monkeypatch.setattr(http, "BODY_PACE", 10)

    async def work(app: Ingest) -> None:
        caller = Caller(app, HEARTBEAT, world.device_key)
        await caller.send(b" " * 200)  # for twenty seconds
        assert await caller.waits(0.6)
        await caller.send(b"{}", more=False)
        assert await caller.status() == 200

    calling(work)


def test_bodies_that_arrive_have_so_much_memory_in_all(
    world: World, stranger_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ARRIVING", 100_000)

    async def work(app: Ingest) -> None:
        half = Caller(app, HEARTBEAT, world.device_key)
        await half.send(b" " * 60_000)
        assert await half.waits()
        second = Caller(app, HEARTBEAT, stranger_key)
        await second.send(b" " * 60_000)
        assert await second.status() == 503
        await half.send(b"{}", more=False)
        assert await half.status() == 200
        third = Caller(app, HEARTBEAT, stranger_key)
        await third.send(b" " * 60_000)
        await third.send(b"{}", more=False)
        assert await third.status() == 200
        assert http._Arriving.size == 0

    calling(work)


# Log streams


def test_a_key_has_two_log_streams_and_a_process_so_many_in_all(
    world: World, stranger_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "connections", lambda: 12)  # a quarter: three streams
    path, before = log_stream(world), everything()
    foreign = f"/device/v2/{world.stranger.uuid}/log-stream"

    async def work(app: Ingest) -> None:
        streams = [Caller(app, path, world.device_key) for _ in range(2)]
        for stream in streams:
            await stream.send(b"a line")
        await open_streams(app, 2)
        assert await Caller(app, path, world.device_key).status() == 429
        third = Caller(app, foreign, stranger_key)
        await third.send(b"a line")
        await open_streams(app, 3)
        assert await Caller(app, foreign, stranger_key).status() == 503
        await streams[0].send(b"", more=False)
        assert await streams[0].status() == 201
        again = Caller(app, path, world.device_key)
        await again.send(b"", more=False)
        assert await again.status() == 201
        for stream in (streams[1], third):
            await stream.leave()
        assert app.log_streams._open == {}

    calling(work)
    assert everything() == before


@pytest.mark.parametrize("limit", ["QUIET_END", "LONGEST"])
def test_a_log_stream_without_a_word_or_an_end_ends_by_itself(
    world: World, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a status that tells the supervisor nothing but to come again, and with the connection."""
    monkeypatch.setattr(supervisor_logs, limit, 0.3)

    async def work(app: Ingest) -> None:
        stream = Caller(app, log_stream(world), world.device_key)
        answer = asyncio.create_task(stream.status())
        async with asyncio.timeout(20):
            while not answer.done():
                if limit == "LONGEST":
                    await stream.send(b"a line")
                await asyncio.sleep(0.02)
        assert answer.result() == 201
        assert app.log_streams._open == {}

    calling(work)


def test_nothing_of_a_log_stream_is_kept_in_memory(world: World) -> None:
    async def work(app: Ingest) -> None:
        stream = Caller(app, log_stream(world), world.device_key)
        await stream.send(b"x" * 1000)
        assert await stream.waits()
        tracemalloc.start()
        for _ in range(200):
            await stream.send(bytes(100_000))
            await asyncio.sleep(0)
        assert await stream.waits()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 2_000_000  # of twenty million bytes
        await stream.leave()

    calling(work)
