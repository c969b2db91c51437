"""Batches: the items that arrive while one batch is committed become the next batch.

A caller is answered after its batch is durable. The queue is bounded by weight; when it is full, a caller is
refused at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from devices.ingest.database import threads
from devices.ingest.http import busy
from devices.metrics import counters

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("devices.ingest")
Item = TypeVar("Item")
Result = TypeVar("Result")
# An item, its weight, since when it waits, and who is told its result.
_Waiting: TypeAlias = tuple[Item, int, float, Callable[[Result | Exception], None]]

# Items per transaction, and the bytes that may wait: an item weighs its body and a kilobyte.
BATCH_ITEMS: Final = 500
QUEUE_WEIGHT: Final = 32 * 1024 * 1024
ITEM_WEIGHT: Final = 1024
# A batch of a thread of fewer than SMALL_BATCH items waits GATHERING seconds for more: it costs as much as a
# full one. A prepared statement costs so little that it does not wait.
SMALL_BATCH: Final = 100
GATHERING: Final = 0.002


class Batches(ABC, Generic[Item, Result]):
    """Collects items in one event loop and commits them, a batch at a time.

    A batch has at most `most` items; `queue` is the weight of all items that may wait.
    """

    gathering = 0.0  # seconds that a small batch waits for more

    def __init__(self, *, most: int = BATCH_ITEMS, queue: int = QUEUE_WEIGHT) -> None:
        self._most, self._queue = most, queue
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._weight = 0
        self._running: asyncio.Task[None] | None = None
        self._oldest = 0.0  # seconds of the monotonic clock, since when the first item of the batch waits

    @abstractmethod
    async def commit(self, items: list[Item]) -> Sequence[Result | Exception]:
        """For each item its result or its exception, in order, once they are durable."""

    def written(self, results: Sequence[Result | Exception]) -> int:
        """How many items of a batch with these results it took; for the metrics."""
        return len(results)

    async def submit(self, item: Item, size: int = 0) -> Result:
        """The result of this item, once its batch is durable; `size` is the number of bytes of its body.

        Raises the exception that `commit` returned for it, and Refused (503) where the queue is full.
        """
        if not self.has_room(size):
            raise busy()
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.enqueue(item, partial(_settle, answer), size)
        return await answer

    def has_room(self, size: int = 0) -> bool:
        """Whether the queue has room for an item of so many bytes."""
        return self._weight + ITEM_WEIGHT + size <= self._queue

    def enqueue(self, item: Item, done: Callable[[Result | Exception], None], size: int = 0) -> None:
        """Call `done` with the result of this item, or its exception, once its batch is durable.

        `size` is the number of bytes of its body. Call it only where the queue `has_room`.
        """
        weight, now = ITEM_WEIGHT + size, time.monotonic()
        self._weight += weight
        self._waiting.append((item, weight, now, done))
        if self._running is None:
            self._oldest = now
            self._running = asyncio.get_running_loop().create_task(self._run())

    def longest_wait(self) -> float:
        """Seconds that the oldest item has waited; 0 where none waits."""
        return 0.0 if self._running is None else time.monotonic() - self._oldest

    async def stop(self) -> None:
        """Answer the accepted items."""
        if self._running is not None:
            await self._running
        for _ in range(2):  # the last batch is answered, and its callers go on, who may need threads
            await asyncio.sleep(0)

    async def _run(self) -> None:
        while self._waiting:
            if self.gathering and len(self._waiting) < SMALL_BATCH:
                await asyncio.sleep(self.gathering)
            size = min(self._most, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            self._oldest, began = batch[0][2], time.monotonic()
            results = await self._committed([item for item, *_ in batch])
            if written := self.written(results):
                counters.BATCH_SIZE.observe(written)
                counters.BATCH_SECONDS.observe(time.monotonic() - began)
            # The database works on the next batch while the callers of this one are answered.
            asyncio.get_running_loop().call_soon(self._answer, batch, results)
        self._running = None

    def _answer(self, batch: list[_Waiting[Item, Result]], results: Sequence[Result | Exception]) -> None:
        for (_, weight, _, done), result in zip(batch, results, strict=True):
            self._weight -= weight
            try:
                done(result)
            except Exception:  # the others are answered
                logger.exception("a caller was not answered")

    async def _committed(self, items: list[Item]) -> Sequence[Result | Exception]:
        try:
            return await self.commit(items)
        except Exception as error:  # noqa: BLE001  the queue must go on, and each be answered
            return [error] * len(items)


def _settle(answer: asyncio.Future[Result], result: Result | Exception) -> None:
    if answer.done():  # its caller has left
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)


class GroupCommit(Batches[Item, Result]):
    """Commits batches in one thread: `work` takes a batch and returns what `commit` does."""

    gathering = GATHERING

    def __init__(
        self,
        work: Callable[[list[Item]], list[Result | Exception]],
        *,
        most: int = BATCH_ITEMS,
        queue: int = QUEUE_WEIGHT,
    ) -> None:
        super().__init__(most=most, queue=queue)
        self._work = work
        self._thread = threads(1, "group-commit")

    async def commit(self, items: list[Item]) -> list[Result | Exception]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, items)

    async def stop(self) -> None:
        """Answer the accepted items, then end the thread."""
        await super().stop()
        self._thread.shutdown()
