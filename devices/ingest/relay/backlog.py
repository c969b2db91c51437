"""The observations that wait to be written: bounded, in order, written in batches beside the calls."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, deque
from itertools import islice, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from devices.clock import PATIENCE
from devices.ingest.database import threads
from devices.ingest.http import Refused
from devices.ingest.relay.observations import Observation, Poll, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger("devices.ingest")

MOST: Final = 10_000  # observations that wait
BATCH: Final = 500  # observations that are written together
GATHERING: Final = 0.005  # seconds for which a batch waits for more
RETRY: Final = 1.0  # seconds until a batch is tried again while the database does not answer
LAST: Final = 3.0  # seconds for which what waits is still written when the process ends
# Seconds for which no liveness sign is left after an observation was lost, so that the time counts as not
# observed: an outage is a gap of more than PATIENCE, and its signs are up to 2 s apart.
UNOBSERVED: Final = PATIENCE.total_seconds() + 2


class Seen(NamedTuple):
    """An observation of a device or server of the source with this id."""

    source: int
    observation: Observation

    @property
    def is_contact(self) -> bool:
        """Whether it is written together with others, as polls and reports are in the ingest."""
        return isinstance(self.observation, Poll | Report)


class Backlog:
    """The observations of one process.

    `write` writes a batch (contacts, or a single observation) and how many were lost since, by source; it
    returns how many it could not write, and raises Refused where the database does not answer.
    """

    def __init__(
        self, write: Callable[[Sequence[Seen], dict[int, int]], dict[int, int]], most: int = MOST
    ) -> None:
        self._write = write
        self._most = most
        self._waiting: deque[tuple[Seen, float]] = deque()  # with seconds of the monotonic clock
        self._lost: dict[int, int] = {}  # by source, not yet written
        self._lost_at = -math.inf
        self._came = asyncio.Event()
        self._thread = threads(1, "relay")

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, seen: Seen) -> None:
        """Have an observation written; beyond the limit it is dropped and counted. Never fails."""
        if len(self._waiting) >= self._most:
            self._lose({seen.source: 1})
        else:
            self._waiting.append((seen, time.monotonic()))
            self._came.set()

    def longest(self) -> float:
        """Seconds that the oldest observation has waited, as polls do; endless after some were lost."""
        now = time.monotonic()
        if now - self._lost_at < UNOBSERVED:
            return math.inf
        return now - self._waiting[0][1] if self._waiting else 0.0

    async def keep_writing(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._came.wait()
            await asyncio.sleep(GATHERING)
            self._came.clear()
            await self.write_all()

    async def write_all(self) -> None:
        """Write what waits, waiting for the database if it does not answer."""
        while self._waiting:
            if not await self._write_next():
                await asyncio.sleep(RETRY)

    async def stop(self) -> None:
        """Write what waits, for LAST seconds at most, and end the thread."""
        try:
            async with asyncio.timeout(LAST):
                await self.write_all()
        except TimeoutError:
            logger.warning("%d facts of relayed calls were not written", len(self))
        self._thread.shutdown(wait=False)

    async def _write_next(self) -> bool:
        """Write the next batch; False: the database does not answer."""
        contacts = takewhile(attrgetter("is_contact"), (seen for seen, _ in self._waiting))
        batch = list(islice(contacts, BATCH)) or [self._waiting[0][0]]
        lost = dict(self._lost)
        loop = asyncio.get_running_loop()
        try:
            failed = await loop.run_in_executor(self._thread, self._write, batch, lost)
        except Refused:
            return False
        except Exception as error:  # noqa: BLE001  what comes next is to be written
            logger.warning("facts of relayed calls were not written: %s", str(error).partition("\n")[0])
            failed = dict(Counter(seen.source for seen in batch) + Counter(lost))
        for _ in batch:
            self._waiting.popleft()
        self._lost = dict(Counter(self._lost) - Counter(lost))  # those that were noted
        self._lose(failed)
        return True

    def _lose(self, lost: dict[int, int]) -> None:
        """Count observations that will not be written, by source."""
        if not lost:
            return
        if time.monotonic() - self._lost_at >= UNOBSERVED:
            logger.warning("facts of relayed calls are lost, so this time counts as not observed")
        self._lost_at = time.monotonic()
        self._lost = dict(Counter(self._lost) + Counter(lost))
