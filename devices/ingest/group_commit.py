"""Group commit: the items that arrive while one batch commits become the next batch.

A caller is answered after its batch is durable. The queue is bounded by weight; when it is full, a caller is
refused at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from devices.ingest.database import threads
from devices.ingest.http import busy
from devices.metrics import counters

if TYPE_CHECKING:
    from collections.abc import Callable

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items per transaction, and the bytes that may wait: an item weighs its body and a kilobyte.
BATCH_ITEMS: Final = 500
QUEUE_WEIGHT: Final = 32 * 1024 * 1024
ITEM_WEIGHT: Final = 1024
# A batch of fewer than SMALL_BATCH items waits GATHERING seconds for more, since its commit costs as much.
SMALL_BATCH: Final = 100
GATHERING: Final = 0.002


class GroupCommit(Generic[Item, Result]):
    """Collects items in one event loop and commits them, a batch at a time, in one thread.

    `commit` takes a batch and returns for each item its result or its exception, in order. A batch has at
    most `most` items; `queue` is the weight of all items that may wait.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], list[Result | Exception]],
        *,
        most: int = BATCH_ITEMS,
        queue: int = QUEUE_WEIGHT,
    ) -> None:
        self._commit, self._most, self._queue = commit, most, queue
        self._waiting: deque[tuple[Item, int, asyncio.Future[Result]]] = deque()
        self._weight = 0
        self._thread = threads(1, "group-commit")
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: Item, size: int = 0) -> Result:
        """The result of this item, once its batch is durable; `size` is the number of bytes of its body.

        Raises the exception that `commit` returned for it, and Refused (503) where the queue is full.
        """
        weight = ITEM_WEIGHT + size
        if self._weight + weight > self._queue:
            raise busy()
        self._weight += weight
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, weight, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def stop(self) -> None:
        """Answer the accepted items, then end the thread."""
        if self._running is not None:
            await self._running
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            if len(self._waiting) < SMALL_BATCH:
                await asyncio.sleep(GATHERING)
            size = min(self._most, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            items = [item for item, _, _ in batch]
            counters.BATCH_SIZE.observe(size)
            try:
                with counters.BATCH_SECONDS.time():
                    results = await loop.run_in_executor(self._thread, self._commit, items)
            except Exception as error:  # noqa: BLE001  the queue must go on, and each be answered
                results = [error] * size
            for (_, weight, answer), result in zip(batch, results, strict=True):
                self._weight -= weight
                if answer.done():
                    continue
                if isinstance(result, Exception):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)
        self._running = None
