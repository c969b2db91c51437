"""What stands between a caller and a call: the brakes before it, the notes on its key after it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from devices.ingest.brakes import Brakes
from devices.ingest.database import in_database
from devices.ingest.http import Refused
from devices.key_usage import WRITE_EVERY, Usage
from devices.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from devices.ingest.http import Reply

logger = logging.getLogger("devices.ingest")
Kind = ApiKey.Kind


class Guard:
    def __init__(self, brakes: Brakes | None = None) -> None:
        self._usage = Usage()
        self._brakes = brakes or Brakes()

    async def admit(
        self, key: str, address: str, kind: ApiKey.Kind, handle: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """The reply of `handle`, a call for keys of this kind; raises Refused (429) where it is too many."""
        if not key:  # a call for anybody
            return await handle()
        self._brakes.check(key, address, kind, time.monotonic())
        try:
            reply = await handle()
        except Refused as refusal:
            self._note(key, address, kind, refusal.status, refusal.field)
            raise
        self._note(key, address, kind, reply.status)
        return reply

    def _note(self, key: str, address: str, kind: ApiKey.Kind, status: int, field: str = "") -> None:
        self._brakes.note(key, address, kind, time.monotonic(), status)
        if status < 400:
            self._usage.note_used(key)
        elif status == 401:
            reason = "another organization's server" if field == "server" else "not for this call"
            self._usage.note_refused(key, reason, address)
        elif status in {403, 429} and kind == Kind.PROVISIONING:
            self._usage.note_refused(key, "registered too many devices", address)

    async def keep_notes(self, threads: Executor) -> None:
        """Write them now and then, for ever."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            await self.write_notes(threads)

    async def write_notes(self, threads: Executor) -> None:
        """Write them; what cannot be written is let go, as it is no fact that anybody waits for."""
        usage, self._usage = self._usage, Usage()  # what comes meanwhile is for the next time
        try:
            await asyncio.get_running_loop().run_in_executor(threads, in_database, usage.write)
        except Exception as error:  # noqa: BLE001  the next writing may do better
            logger.warning("the use of keys was not written: %s", str(error).partition("\n")[0])
