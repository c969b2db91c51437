"""A prepared statement of an event loop: whatever happens to its connection, each call gets an answer."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
import uvloop
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fleets.postgres import prepared
from fleets.postgres.prepared import Prepared
from tests.at_once import WAIT

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)

LENGTHS = "SELECT length($1), repeat('x', $2::int)"
LONG = 12_000_000  # bytes, more than the kernel takes at once


class Way:
    """A way to the database, by TCP, on whose first connection something happens after some bytes.

    `ends` tells, for the bytes that have come from the caller and from the database, whether it does: then
    the connection is closed, or nothing more is said on it until the next one is made (`silent`).
    """

    def __init__(self, ends: Callable[[int, int], bool], *, silent: bool = False) -> None:
        self._ends, self._silent = ends, silent
        self._database = settings.DATABASE_DIRECT_URL
        self._come = [0, 0]
        self._peers: dict[socket.socket, tuple[int, socket.socket]] = {}
        self.connections = 0

    def __enter__(self) -> str:
        """The connection string of the way."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return make_conninfo(self._database, host="127.0.0.1", port=self._listening.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT)

    def _serve(self) -> None:
        ended: list[socket.socket] = []
        with self._listening, suppress(OSError):
            while True:
                ready, _, _ = select.select([self._listening, *self._peers.keys() - {*ended}], [], [])
                if self._listening in ready:
                    self._close(ended)
                    self._accept()
                for each in ready:
                    if each in self._peers and not self._pass_on(each):
                        ended += [each, self._peers[each][1]]
                        self._close([] if self._silent and self.connections == 1 else ended)
        self._close([*self._peers])

    def _accept(self) -> None:
        caller, _ = self._listening.accept()
        named = conninfo_to_dict(self._database)
        host, port = str(named["host"]), int(named.get("port") or 5432)
        local = host.startswith("/")
        database = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
        database.connect(f"{host}/.s.PGSQL.{port}" if local else (host, port))
        self._peers |= {caller: (0, database), database: (1, caller)}
        self.connections += 1

    def _pass_on(self, each: socket.socket) -> bool:
        """Pass on what has come; returns whether the connection goes on."""
        side, peer = self._peers[each]
        data = each.recv(65536)
        self._come[side] += len(data)
        if not data or (self.connections == 1 and self._ends(*self._come)):
            return False
        peer.sendall(data)
        return True

    def _close(self, ended: list[socket.socket]) -> None:
        while ended:
            closed = ended.pop()
            del self._peers[closed]
            closed.close()


async def connected(statement: Prepared) -> None:
    while not statement.is_connected:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


@asynccontextmanager
async def keeping_connected(way: Way, settings: Settings) -> AsyncIterator[Prepared]:
    with way as settings.DATABASE_DIRECT_URL:
        statement = Prepared(LENGTHS)
        task = asyncio.create_task(statement.keep_connected())
        try:
            async with asyncio.timeout(WAIT):
                yield statement
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> asyncio.Runner:
    monkeypatch.setattr(prepared, "RETRY_DELAY", 0.01)
    return asyncio.Runner(loop_factory=request.param)


ENDS: dict[str, Callable[[int, int], bool]] = {
    "while the first bytes are sent": lambda sent, _: sent > LONG / 100,
    "while half is sent": lambda sent, _: sent > LONG / 2,
    "before the answer": lambda sent, _: sent > LONG,
    "while the answer is read": lambda _, answered: answered > LONG / 2,
}


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_a_connection_lost_at_any_time_is_told_and_made_again(
    runner: asyncio.Runner, settings: Settings, ends: Callable[[int, int], bool]
) -> None:
    async def main() -> None:
        params = (b"y" * LONG, str(LONG).encode())
        async with keeping_connected(Way(ends), settings) as statement:
            await connected(statement)
            with pytest.raises(psycopg.OperationalError):
                await statement.rows(params)
            await connected(statement)
            assert await statement.rows(params) == [(LONG, "x" * LONG)]

    with runner:
        runner.run(main())


@pytest.mark.parametrize(
    ("sent", "silent"),
    [(0, False), (250, False), (250, True)],
    ids=["lost while connecting", "lost while preparing", "silent while preparing"],
)
def test_a_server_that_does_not_get_as_far_as_the_statement_is_left(
    runner: asyncio.Runner,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    sent: int,
    silent: bool,  # noqa: FBT001 - a parameter
) -> None:
    monkeypatch.setattr(prepared, "PATIENCE", 0.1)

    async def main() -> None:
        way = Way(lambda come, _: come > sent, silent=silent)
        async with keeping_connected(way, settings) as statement:
            await connected(statement)
            assert way.connections > 1
            assert await statement.rows((b"y", b"2")) == [(1, "xx")]

    with runner:
        runner.run(main())


def test_a_connection_that_is_lost_again_and_again_is_not_made_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the statement always fails: the database accepts connections, and no writes."""

    class Waits(Exception):
        """What the next attempt waits for is seen."""

    async def waits(seconds: float) -> None:
        assert seconds == prepared.RETRY_DELAY
        raise Waits

    async def is_lost(_: Prepared) -> None:
        attempts.append(1)
        assert len(attempts) < 3

    attempts: list[int] = []
    monkeypatch.setattr(Prepared, "_stay_connected", is_lost)
    monkeypatch.setattr(asyncio, "sleep", waits)
    with pytest.raises(Waits):
        asyncio.run(Prepared(LENGTHS).keep_connected())
