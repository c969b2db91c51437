"""Liveness signs: each process of the ingest records that it listens (domain.md, Our own outages)."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from devices.clock.own import OwnClock
from devices.connectivity import heartbeats, outages
from devices.connectivity.ingest_processes import Presence
from devices.ingest.database import in_database, threads
from fleets.postgres.clock import NEWEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Executor

    from devices.ingest.unrecorded import Unrecorded

logger = logging.getLogger("devices.ingest")

# Seconds that a poll may wait before its process stops recording liveness. Together with the gap that makes
# an outage this is less than 15 s and half an interval, so no device whose poll waits is lost before the
# outage that explains it.
PATIENCE: Final = 5.0
# The share of its time that a process spends on what is done after an outage, while polls wait.
SHARE: Final = 0.1


class Liveness:
    """The liveness of one process.

    `waits` gives for how many seconds the oldest poll has waited; endless where what polls told was lost.
    `unrecorded`: the calls that the process refused because the database could not record them.
    """

    def __init__(self, waits: Callable[[], float], unrecorded: Unrecorded) -> None:
        self._waits, self._unrecorded = waits, unrecorded
        self._left_at = -math.inf  # seconds of the monotonic clock
        self._polled_at = -math.inf  # the last poll that was recorded, by the same clock
        self._presence = Presence()
        self._own = OwnClock()

    def age(self) -> float:
        """Seconds since the last liveness sign, or since the last portion of closing an outage."""
        return time.monotonic() - self._left_at

    def polled(self) -> None:
        """Note that the database has just recorded a poll. In any thread."""
        self._polled_at = time.monotonic()

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Records liveness signs while the block runs, in a thread of its own, which no call delays."""
        with threads(1, "liveness") as thread:
            task = asyncio.create_task(self._for_ever(thread))
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                thread.submit(self._presence.end)

    async def _for_ever(self, thread: Executor) -> None:
        while True:
            before, began = self._left_at, time.monotonic()
            if await self._beat(thread):
                await _asked(self._presence.socket() if self._left_at > before else None)
            else:
                await asyncio.sleep(self._pause(time.monotonic() - began))

    def _pause(self, took: float) -> float:
        """Seconds until the next portion after one that took so many; 0 where no poll waits."""
        return min(took / SHARE - took, outages.LIVENESS_EVERY) if self._waits() else 0.0

    async def _beat(self, thread: Executor) -> bool:
        """Record a sign if polls do not wait; returns whether there is nothing more to do for now."""
        if (waits := self._waits()) > PATIENCE:
            logger.warning("no liveness recorded: a poll has waited for %.0f s", waits)
            return True
        try:
            left = await asyncio.get_running_loop().run_in_executor(thread, in_database, self._work)
        except Exception as error:  # noqa: BLE001  without the database there is nothing to listen for
            logger.warning("no liveness recorded: %s", str(error).partition("\n")[0])
            return True
        self._left_at = time.monotonic()
        return left

    def _work(self) -> bool:
        """Record a sign once a poll, and each refused call, would succeed; returns as outages.beat does.

        A poll that was recorded since the sign before shows that as well as a rehearsal.
        """
        if self._polled_at <= self._left_at:
            heartbeats.rehearse(NEWEST.at)
        self._unrecorded.rehearse()
        return outages.beat(process=self._presence.number(), own=self._own)


async def _asked(socket: int | None) -> None:
    """Wait until the next sign is due, or is asked for: then `socket` can be read."""
    if socket is None:
        await asyncio.sleep(outages.LIVENESS_EVERY)
        return
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(socket, asked.set)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), outages.LIVENESS_EVERY)
    finally:
        loop.remove_reader(socket)
