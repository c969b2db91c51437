"""From a request to its reply: routing, the limits, and what may go wrong on the way."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.core.management.base import CommandError

from devices import keys
from devices.ingest import proxy_check
from devices.ingest.admission import Admission
from devices.ingest.client_address import caller
from devices.ingest.contacts import Contact, commit
from devices.ingest.database import in_database, threads
from devices.ingest.group_commit import GroupCommit
from devices.ingest.http import (
    Disconnected,
    Refused,
    Reply,
    Request,
    busy,
    json_reply,
    send_reply,
)
from devices.ingest.liveness import Liveness
from devices.ingest.open_calls import AtOnce
from devices.ingest.routes import Call, Routes
from devices.ingest.waiting import Waiting
from fleets import audit
from fleets.postgres.checks import at_start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from asgiref.typing import (
        ASGIReceiveCallable,
        ASGISendCallable,
        HTTPScope,
        Scope,
    )

    from devices.ingest.rate_limits import RateLimits
    from devices.keys import KeyHolder

logger = logging.getLogger("devices.ingest")
Result = TypeVar("Result")

# Calls that are not batched: how many run at once, and how many may be under way or waiting.
THREADS: Final = 4
CALLS_UNDER_WAY: Final = 64


class Ingest:
    """The ASGI app of these calls, with the queues and the few threads they share."""

    def __init__(self, calls: Iterable[Call[Ingest]], rate_limits: RateLimits | None = None) -> None:
        self._polls: GroupCommit[Contact, KeyHolder | None] = GroupCommit(commit)
        self._reports: GroupCommit[Contact, KeyHolder | None] = GroupCommit(commit)
        self._threads = threads(THREADS, "ingest")
        self._under_way = 0
        self.waiting = Waiting()
        self.liveness = Liveness(self.waiting.longest)
        self._routes = Routes(calls)
        self._admission = Admission(self._is_known, rate_limits)
        self.log_streams = AtOnce()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            raise ValueError(f"no {scope['type']} here")

    async def _live(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        try:
            await asyncio.to_thread(at_start)
        except CommandError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        spare_the_collector()
        await send({"type": "lifespan.startup.complete"})
        aside = [
            asyncio.create_task(self._admission.keep_notes(self._threads)),
            asyncio.create_task(proxy_check.keep_telling(self._threads)),
        ]
        async with self.liveness.beating():
            await receive()
        for task in aside:
            task.cancel()
        await self._admission.write_notes(self._threads)
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def stop(self) -> None:
        """Answer what was accepted, then end the threads."""
        await self._polls.stop()
        await self._reports.stop()
        self._threads.shutdown()

    async def _serve(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            reply = await self._answer(scope, receive)
        except Disconnected:
            return
        except Refused as refusal:
            reply = refusal.reply()
            log_refusal(scope, refusal)
        except Exception as error:  # noqa: BLE001  the caller gets no traceback, the log one line
            reply = json_reply(500, {"error": "Something went wrong on the server. Nothing was recorded."})
            log_error(scope, error)
        await send_reply(send, reply)

    async def _answer(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Reply:
        call, named = self._routes.find(scope)
        key, told = call.key(scope), caller(scope)
        proxy_check.CALLS.note(told, scope["headers"], key)
        address = told.address

        async def handle() -> Reply:
            body = await call.read(scope, receive)
            return await call.handle(Request(scope, receive, named, key, body, address), self)

        return await self._admission.admit(key, address, call, handle)

    async def contact(self, contact: Contact, size: int) -> KeyHolder | None:
        """Whose key it was, once the contact of `size` bytes is durable; None: nobody's.

        A mere poll never waits for reports: those lock the devices' rows, it only its heartbeat's.
        """
        if not contact.is_poll:
            return await self._reports.submit(contact, size)
        queue = self._polls if contact.report is None else self._reports
        with self.waiting.one():
            return await queue.submit(contact, size)

    async def _is_known(self, key: str) -> bool:
        return await self.in_a_thread(partial(keys.is_known, key))

    async def in_a_thread(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, from a thread with the database; refused where too many wait."""
        if self._under_way >= CALLS_UNDER_WAY:
            raise busy()
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, in_database, work)
        finally:
            self._under_way -= 1


def in_a_thread(work: Callable[[Request], Reply]) -> Callable[[Request, Ingest], Awaitable[Reply]]:
    """A call that waits for the database in a thread of its own, not in a batch.

    What it records there comes from the caller's address.
    """

    async def handle(request: Request, ingest: Ingest) -> Reply:
        return await ingest.in_a_thread(partial(_from_its_address, work, request))

    return handle


def _from_its_address(work: Callable[[Request], Reply], request: Request) -> Reply:
    with audit.coming_from(request.address or None):  # in the thread: it has a context of its own
        return work(request)


def spare_the_collector() -> None:
    """What was loaded stays for ever, and a call leaves few cycles: look for garbage seldom, and not there.

    Walking all modules again and again was the longest wait of a call: without it the 99th percentile
    is half as long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def log_refusal(scope: HTTPScope, refusal: Refused) -> None:
    if refusal.status == 429:  # a flood of calls makes no flood of lines
        return
    level = logging.WARNING if refusal.status >= 500 else logging.INFO
    logger.log(level, "%s %r: %d %s", scope["method"], scope["path"], refusal.status, refusal)


def log_error(scope: HTTPScope, error: Exception) -> None:
    """One line: where in our code, and its first line, as what follows may quote the row."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename][-1]
    message: Any = next(iter(str(error).splitlines()), "")[:200]
    logger.error(
        "%s %r: %s at %s:%s: %s",
        scope["method"],
        scope["path"],
        type(error).__qualname__,
        ours.filename,
        ours.lineno,
        message,
    )
