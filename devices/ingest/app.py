"""The ASGI app of the ingest: from a request to its reply, with routing, limits, queues and errors."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.core.management.base import CommandError

from devices import keys
from devices.ingest import proxy_check, registrations
from devices.ingest.admission import Admission
from devices.ingest.at_once import AtOnce, came_at
from devices.ingest.client_address import caller
from devices.ingest.contacts import Contact, commit, write
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
from devices.ingest.offered import AT_ONCE
from devices.ingest.open_calls import OpenCalls
from devices.ingest.registrations import Dialect, Registration
from devices.ingest.relay.relay import Relay
from devices.ingest.routes import HEALTH, Call, Routes
from devices.ingest.steady_polls import SteadyPolls
from devices.ingest.unrecorded import Unrecorded
from devices.ingest.waiting import Waiting
from devices.metrics import counters
from devices.metrics.scrapes import Scrapes
from fleets import audit
from fleets.postgres.checks import at_start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from asgiref.typing import (
        ASGIReceiveCallable,
        ASGISendCallable,
        HTTPScope,
        LifespanScope,
        Scope,
    )

    from devices.ingest.rate_limits import RateLimits
    from devices.keys import KeyHolder

logger = logging.getLogger("devices.ingest")
Result = TypeVar("Result")

# Calls that are not batched: how many run at once, and how many may be running or waiting.
THREADS: Final = 4
CALLS_UNDER_WAY: Final = 64


class Ingest:
    """The ASGI app that serves `calls`, with the queues and the threads that they share."""

    def __init__(self, calls: Iterable[Call[Ingest]], rate_limits: RateLimits | None = None) -> None:
        self.steady = SteadyPolls(self._has_polled)
        self._polls: GroupCommit[Contact, KeyHolder | None] = GroupCommit(self._commit)
        self._reports: GroupCommit[Contact, KeyHolder | None] = GroupCommit(self._commit)
        self.registrations: GroupCommit[Registration, Reply] = GroupCommit(
            registrations.commit, most=registrations.MOST, queue=registrations.WAITING
        )
        self._threads = threads(THREADS, "ingest")
        self._under_way = 0
        self.waiting = Waiting()
        self.relay = Relay()
        self.unrecorded = Unrecorded()
        self.liveness = Liveness(self.longest_wait, self.unrecorded)
        self._routes = Routes(calls)
        self._admission = Admission(self._is_known, rate_limits)
        self.at_once = AtOnce(self._routes, self._admission, self.steady, self.relay.hosts)
        self.log_streams = OpenCalls()
        self.scrapes = Scrapes()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            target = self.relay.hosts.target(scope)
            if target is not None and scope["path"] not in HEALTH:
                await self.relay.serve(target, scope, receive, send)
            else:
                await self._reply(scope, receive, send)
        else:
            raise ValueError(f"no {scope['type']} here")

    async def _live(self, scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        try:
            await asyncio.to_thread(at_start)
        except CommandError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await self.relay.refresh_hosts(self._threads)
        spare_the_collector()
        if "state" in scope:
            scope["state"][AT_ONCE] = self.at_once
        await send({"type": "lifespan.startup.complete"})
        aside = [
            asyncio.create_task(self.steady.keep_connected()),
            asyncio.create_task(self.relay.keep_hosts(self._threads)),
            asyncio.create_task(self.relay.backlog.keep_writing()),
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
        """Answer the accepted calls, then end the threads."""
        await self.steady.stop()  # polls that were not steady after all are ordinary calls now
        await self._polls.stop()
        await self._reports.stop()
        await self.registrations.stop()
        await self.relay.stop()
        self._threads.shutdown()

    def longest_wait(self) -> float:
        """Seconds that the oldest poll, or the oldest fact of a relayed call, has waited to be written."""
        return max(self.steady.longest_wait(), self.waiting.longest(), self.relay.backlog.longest())

    async def _reply(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        path = ""
        try:
            call, named = self._routes.find(scope)
            path = call.path
            reply = await self._answer(call, named, scope, receive)
        except Disconnected:
            return
        except Refused as refusal:
            reply = refusal.reply()
            counters.refused(reply.status)
            log_refusal(scope, refusal)
        except Exception as error:  # noqa: BLE001  the caller gets no traceback, the log one line
            reply = json_reply(500, {"error": "Something went wrong on the server. Nothing was recorded."})
            log_error(scope, error)
        counters.call_answered(path, reply.status)
        await send_reply(send, reply)

    async def _answer(
        self, call: Call[Ingest], named: dict[str, str], scope: HTTPScope, receive: ASGIReceiveCallable
    ) -> Reply:
        since = came_at(scope)
        key, source = call.key(scope), caller(scope)
        proxy_check.CALLS.note(source, scope["headers"], key)
        address = source.address

        async def handle() -> Reply:
            body = await call.read(scope, receive)
            return await call.handle(Request(scope, receive, named, key, body, address, since), self)

        return await self._admission.admit(key, address, call, handle)

    async def contact(self, contact: Contact, request: Request) -> KeyHolder | None:
        """The device whose key the contact has, once the contact is durable; None: the key is not accepted.

        Polls without a report have a queue of their own, since they lock heartbeats only, and must not wait
        for reports, which lock rows of devices; steady ones are answered before (devices.ingest.at_once).
        Raises Refused.
        """
        size = len(request.body)
        with self.unrecorded.unless_done(partial(write, [contact])):
            if not contact.is_poll:
                return await self._reports.submit(contact, size)
            queue = self._polls if contact.report is None else self._reports
            with self.waiting.one(request.since):
                return await queue.submit(contact, size)

    def _commit(self, contacts: list[Contact]) -> list[KeyHolder | Exception | None]:
        results = commit(contacts)
        accepted = [result is not None and not isinstance(result, Exception) for result in results]
        if any(contact.is_poll and done for contact, done in zip(contacts, accepted, strict=True)):
            self._has_polled()
        return results

    def _has_polled(self) -> None:
        self.liveness.polled()

    async def _is_known(self, key: str) -> bool:
        return await self.in_a_thread(partial(keys.is_known, key))

    async def in_a_thread(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, run in a thread with a database connection.

        Refused (503) if too many wait.
        """
        if self._under_way >= CALLS_UNDER_WAY:
            raise busy()
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, in_database, work)
        finally:
            self._under_way -= 1


def in_a_thread(work: Callable[[Request], Reply]) -> Callable[[Request, Ingest], Awaitable[Reply]]:
    """The handler of a call that runs `work` in a thread with the database, not in a batch.

    The audit log names the caller's address for what `work` records.
    """

    async def handle(request: Request, ingest: Ingest) -> Reply:
        done = partial(_from_its_address, work, request)
        with ingest.unrecorded.unless_done(done):
            return await ingest.in_a_thread(done)

    return handle


def registering(dialect: Dialect) -> Callable[[Request, Ingest], Awaitable[Reply]]:
    """The handler of a call that registers a device, in a batch with others."""

    async def handle(request: Request, ingest: Ingest) -> Reply:
        return await ingest.registrations.submit(Registration(request, dialect), len(request.body))

    return handle


def _from_its_address(work: Callable[[Request], Reply], request: Request) -> Reply:
    with audit.coming_from(request.address or None):  # in the thread: it has a context of its own
        return work(request)


def spare_the_collector() -> None:
    """Exempt everything loaded until now from garbage collection, and collect seldom.

    Loaded modules stay for ever, and a call leaves few cycles. Walking all modules was the longest wait of a
    call: without it the 99th percentile is half as long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def log_refusal(scope: HTTPScope, refusal: Refused) -> None:
    """Log a refused request in one line, but for a 429: a flood of calls must not flood the log."""
    if refusal.status == 429:
        return
    level = logging.WARNING if refusal.status >= 500 else logging.INFO
    logger.log(level, "%s %r: %d %s", scope["method"], scope["path"], refusal.status, refusal)


# Parts of the paths of code that anybody calls, so that a place in it tells nothing.
ANYBODYS: Final = ("site-packages", "fleets/postgres/")


def log_error(scope: HTTPScope, error: Exception) -> None:
    """Log an error in one line, with the place in our code.

    Of its message only the first line, since what follows may quote values of a row.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if not any(part in frame.filename for part in ANYBODYS)][-1]
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
