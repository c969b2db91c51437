"""Admission of calls: rate limits and a number of open calls before it, notes on its key after it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from devices.ingest.database import in_database
from devices.ingest.http import Refused
from devices.ingest.open_calls import AtOnce
from devices.ingest.rate_limits import RateLimits
from devices.keys.usage import WRITE_EVERY, Usage
from devices.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from devices.ingest.http import Reply
    from devices.ingest.routes import Call

logger = logging.getLogger("devices.ingest")
Kind = ApiKey.Kind

# Calls of one key that may be open at once, from their heads on, by the kind of key they are for. An agent
# makes one after the other, beside its log stream; all devices of a fleet share the key they register with.
OPEN: Final = {Kind.DEVICE: 8, Kind.PROVISIONING: 500, Kind.SERVICE: 500}


class Admission:
    def __init__(
        self, is_known: Callable[[str], Awaitable[bool]], rate_limits: RateLimits | None = None
    ) -> None:
        """`is_known` asks the database whose key this is; raises Refused where it cannot say just now."""
        self._is_known = is_known
        self._usage = Usage()
        self._rate_limits = rate_limits or RateLimits()
        self._open = AtOnce()

    async def admit(
        self, key: str, address: str, call: Call[Any], handle: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """The reply of `handle`, which makes this call; raises Refused (429) where it is too many."""
        if not key:  # a call for anybody
            return await handle()
        self._rate_limits.check(key, address, call.kind, time.monotonic(), asks=call.asks)
        with self._open.one_more(hash(key), OPEN[call.kind]):
            return await self._noted(key, address, call, handle)

    async def _noted(
        self, key: str, address: str, call: Call[Any], handle: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        try:
            reply = await handle()
        except Refused as refusal:
            await self._note(key, address, call, refusal.status, refusal.field)
            raise
        await self._note(key, address, call, reply.status)
        return reply

    async def _note(self, key: str, address: str, call: Call[Any], status: int, field: str = "") -> None:
        with suppress(Refused):  # who cannot be told from a stranger just now is not taken for one
            known = status == 401 and await self._is_known(key)
            now = time.monotonic()
            self._rate_limits.note(key, address, call.kind, now, status, known=known, asks=call.asks)
        if status < 400:
            self._usage.note_used(key)
        elif status == 401:
            reason = "another organization's server" if field == "server" else "not for this call"
            self._usage.note_refused(key, reason, address)
        elif status in {403, 429} and call.kind == Kind.PROVISIONING:
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
