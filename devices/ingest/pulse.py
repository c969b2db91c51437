"""The ingest's sign that it listens, from each of its processes (domain.md, Our own outages)."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from devices import listening
from devices.ingest.database import in_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

logger = logging.getLogger("devices.ingest")


@asynccontextmanager
async def pulsing() -> AsyncIterator[None]:
    """Inside this block the process leaves its pulse, in a thread of its own: no call ever delays it."""
    with ThreadPoolExecutor(1, "pulse") as thread:
        task = asyncio.create_task(_for_ever(thread))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _for_ever(thread: ThreadPoolExecutor) -> None:
    while True:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, in_database, listening.pulse)
        except Exception as error:  # noqa: BLE001  without the database there is nothing to listen for
            logger.warning("no pulse: %s", str(error).partition("\n")[0])
        await asyncio.sleep(listening.PULSE_EVERY)
