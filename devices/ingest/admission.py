"""Admission of calls: rate limits and limits of open calls before it, notes on its key after it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from devices.ingest.database import in_database
from devices.ingest.http import Refused
from devices.ingest.open_calls import OpenCalls
from devices.ingest.rate_limits import RateLimits
from devices.keys.usage import PAUSE, WRITE_EVERY, Usage
from devices.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Executor

    from devices.ingest.http import Reply
    from devices.ingest.routes import Call

logger = logging.getLogger("devices.ingest")
Kind = ApiKey.Kind

# How many calls of one key may be open at once, from their request heads on, by kind of key. An agent makes
# one after the other, besides its log stream; all devices of a fleet share its provisioning key.
OPEN: Final = {Kind.DEVICE: 8, Kind.PROVISIONING: 2000, Kind.SERVICE: 500}


class Admission:
    """Admits calls in one process, and remembers how keys were used until that is written."""

    def __init__(
        self, is_known: Callable[[str], Awaitable[bool]], rate_limits: RateLimits | None = None
    ) -> None:
        """`is_known` tells whether a key is, or was, of somebody; it raises Refused where it cannot tell."""
        self._is_known = is_known
        self._usage = Usage()
        self._unwritten = deque[Callable[[datetime | None], int]]()  # what stores older notes
        self._rate_limits = rate_limits or RateLimits()
        self._open = OpenCalls()

    async def admit(
        self, key: str, address: str, call: Call[Any], handle: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """The reply of `handle`, which makes `call` with `key` from `address`.

        Raises Refused (429, 503) where too many calls come or are open, and what `handle` raises.
        """
        if not key:  # a call for anybody
            return await handle()
        self._rate_limits.check(key, address, call.kind, time.monotonic(), checks_key=call.checks_key)
        with self._open.counted(hash(key), OPEN[call.kind]):
            try:
                reply = await handle()
            except Refused as refusal:
                if refusal.status != 401:
                    self._note(key, address, call, refusal.status)
                else:
                    await self._note_stranger(key, address, call, refusal.field)
                raise
            self._note(key, address, call, reply.status)
            return reply

    def begin(self, key: str, address: str, call: Call[Any], now: float) -> None:
        """Admit a call that is counted once it has ended well, by `end`; others by `admit`.

        `now` is in seconds of the monotonic clock. Raises Refused (429).
        """
        self._rate_limits.require(key, address, call.kind, now)
        self._open.begin(hash(key), OPEN[call.kind])

    def end(self, key: str, address: str, call: Call[Any], reply: Reply | None) -> None:
        """A call that began has ended with this reply; None: it is made anew, by `admit`."""
        self._open.end(hash(key))
        if reply is not None:
            self._rate_limits.count(key, call.kind, time.monotonic())
            self._note(key, address, call, reply.status)

    async def _note_stranger(self, key: str, address: str, call: Call[Any], field: str) -> None:
        """Note a call whose key was not accepted; one of somebody after all is no failed authentication."""
        try:
            known = await self._is_known(key)
        except Refused:  # without an answer about the key, it does not count as a stranger's
            self._usage.note_refused(key, _reason(field), address)
        else:
            self._note(key, address, call, 401, field, known=known)

    def _note(
        self, key: str, address: str, call: Call[Any], status: int, field: str = "", *, known: bool = False
    ) -> None:
        now = time.monotonic()
        self._rate_limits.note(key, address, call.kind, now, status, known=known, checks_key=call.checks_key)
        if status < 400:
            self._usage.note_used(key)
        elif status == 401:
            self._usage.note_refused(key, _reason(field), address)
        elif status in {403, 429} and call.kind == Kind.PROVISIONING:
            self._usage.note_refused(key, "registered too many devices", address)

    async def keep_notes(self, threads: Executor) -> None:
        """Write the notes every WRITE_EVERY seconds, slowly, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            await self.write_notes(threads, PAUSE)

    async def write_notes(self, threads: Executor, pause: float = 0.0) -> None:
        """Write the notes to the database, with a pause of so many seconds after each portion.

        Notes that cannot be written are lost, and the log says so.
        """
        usage, self._usage = self._usage, Usage()  # calls go on while these are written
        self._unwritten.extend(usage.portions())
        while self._unwritten:
            write = partial(self._unwritten[0], None)
            try:
                await asyncio.get_running_loop().run_in_executor(threads, in_database, write)
                self._unwritten.popleft()
            except Exception as error:  # noqa: BLE001  the next writing may do better
                logger.warning("the use of keys was not written: %s", str(error).partition("\n")[0])
                self._unwritten.clear()
            await asyncio.sleep(pause)


def _reason(field: str) -> str:
    """Why a key was refused, from the part of the request at fault."""
    return "another organization's server" if field == "server" else "not for this call"
