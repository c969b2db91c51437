"""The event stream: server-sent events that tell an open page that something changed in its organizations.

An event says only that something changed; the page then refreshes. An open stream takes no thread and no
database connection. Session and memberships are read again just before each event, so that nobody who signed
out or left an organization gets one. A new member gets events of the organization from the next stream on,
within five minutes.

A page without a stream refreshes every two seconds: if all streams of this process are taken, something
between buffers the stream, or the process receives no notifications from the database, which an event says.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django import db

from dashboard.http import rate_limits
from dashboard.http.request_limits import REFUSAL
from dashboard.http.session_cookie import session_in
from dashboard.live.subscribers import Rights, Subscriber, rights_of
from devices import clock
from devices.ingest import capacity
from devices.metrics import counters
from fleets.postgres import availability
from fleets.postgres.listener import LISTENER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable

logger = logging.getLogger(__name__)

PATH: Final = "/bell/"  # named in README.md for reverse proxies, so it stays as it is
MOST: Final = 500  # streams of this process; they also take a quarter of its connections at most
PERSON: Final = 12  # streams of one person, in any number of sessions
# Streams of one session: a browser opens six connections to a site and needs some for pages.
BROWSER: Final = 3
KEEPALIVE: Final = 15.0  # seconds without an event, after which `listening` is sent again
LONGEST: Final = 300.0  # seconds that a stream lasts at most; then the browser opens another
# Events of one stream: so many at once, then one in so many seconds, as often as its page would ask without
# it.
BURST, INTERVAL = 5, 2.0
# Streams are notified one after another, so that the refreshes they cause leave room for pages that people
# open.
SPACING: Final = 0.005  # seconds between two streams
ROOM: Final = 4  # requests in progress in this process, beyond which the next stream waits
BATCH: Final = 16  # streams whose rights are read at once
HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
HELLO: Final = b"retry: 3000\n\n"  # milliseconds until the browser connects again
LISTENING: Final = b"event: listening\ndata:\n\n"
DEAF: Final = b"event: deaf\ndata:\n\n"  # no notifications arrive from the database
CHANGED: Final = b"event: changed\ndata:\n\n"


class EventStream:
    """The ASGI app at PATH; around it are only the rate limits (dashboard/http/rate_limits.py)."""

    def __init__(self) -> None:
        self._streams: dict[Stream, None] = {}
        self._open = Counter[str | int]()  # number of streams by session key and by the person's primary key
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: dict[Stream, None] = {}  # streams to notify, in order
        self._notifying: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(2, "event-stream")
        self.requests_in_progress: Callable[[], int] = lambda: 0  # of pages, in this process

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        session = session_in(scope["headers"])
        if REFUSAL in scope:
            await _refuse(send, scope[REFUSAL])
        elif scope["method"] != "GET":
            await _refuse(send, 405)
        elif (rights := await self._read({session} - {""})) is None:
            await _refuse(send, 503)
        elif session not in rights:
            rate_limits.RATE_LIMITS.note(session, None)
            await _refuse(send, 401)
        else:
            rate_limits.RATE_LIMITS.note(session, rights[session].person)
            await self._serve(Stream(session, rights[session]), receive, send)

    async def _serve(self, stream: Stream, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        full = len(self._streams) >= min(MOST, capacity.share())
        if full or self._open[stream.session] >= BROWSER or self._open[stream.person] >= PERSON:
            await _refuse(send, 503)
        else:
            await self._run(stream, receive, send)

    async def _read(self, sessions: Collection[str]) -> Rights | None:
        """The rights of these sessions; None if the database is unavailable."""
        if not sessions:
            return {}
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _read, sessions)
        except db.Error as error:
            logger.warning("cannot read the sessions of event streams: %s", str(error).partition("\n")[0])
            return None

    async def _run(self, stream: Stream, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._streams[stream] = None
        self._open.update([stream.session, stream.person])
        counters.STREAMS.inc()
        self._listen()
        try:
            await stream.run(receive, send)
        finally:
            del self._streams[stream]
            counters.STREAMS.dec()
            self._pending.pop(stream, None)
            self._open -= Counter[str | int]([stream.session, stream.person])

    def _listen(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            LISTENER.subscribe(self._on_notification)
            LISTENER.start()

    def _on_notification(self, organization: int | None) -> None:
        # Called in the listener's thread.
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._schedule, organization)

    def _schedule(self, organization: int | None) -> None:
        if organization is None:  # notifications begin or no longer arrive
            for stream in self._streams:
                stream.wake()
            return
        loop = asyncio.get_running_loop()
        concerned = [stream for stream in self._streams if organization in stream.organizations]
        random.shuffle(concerned)
        for stream in concerned:
            if not stream.changed:
                loop.call_at(stream.next_at(loop.time()), self._queue, stream)
            stream.changed.add(organization)

    def _queue(self, stream: Stream) -> None:
        if stream not in self._streams:
            return
        self._pending[stream] = None
        if self._notifying is None or self._notifying.done():
            self._notifying = asyncio.create_task(self._notify_pending())

    async def _notify_pending(self) -> None:
        while self._pending:
            await self._room()
            streams = list(islice(self._pending, BATCH))
            rights = await self._read({stream.session for stream in streams}) or {}
            for stream in streams:
                self._pending.pop(stream, None)
                stream.notify(rights.get(stream.session))
                await self._room()

    async def _room(self) -> None:
        """Wait until there is room for the refresh that the next event causes."""
        while True:
            await asyncio.sleep(SPACING)
            if self.requests_in_progress() < ROOM:
                return

    def end(self) -> None:
        """End all streams, from any thread, as the process is about to end and would wait for them."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for stream in self._streams:
            stream.end()


class Stream:
    """The open stream of one page."""

    def __init__(self, session: str, subscriber: Subscriber) -> None:
        self.session, (self.person, self.organizations) = session, subscriber
        self.changed = set[int]()  # organizations that changed since the last event, by primary key
        self._woken = asyncio.Event()
        self._has_event = self._ended = False
        self._paid_until = 0.0

    def next_at(self, now: float) -> float:
        """Take the next event from the stream's rate; returns when it may be sent. Seconds of the loop."""
        at = max(now, self._paid_until - BURST * INTERVAL)
        self._paid_until = max(now, self._paid_until) + INTERVAL
        return at

    def notify(self, subscriber: Subscriber | None) -> None:
        """Send an event if an organization of this subscriber changed; None ends the stream."""
        if subscriber is None:
            self.end()
            return
        self._has_event |= not self.changed.isdisjoint(subscriber.organizations)
        self.organizations = subscriber.organizations
        self.changed.clear()
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        self._ended = True
        self._woken.set()

    async def run(self, receive: Any, send: ASGISendCallable) -> None:
        """Send events until the page closes, the process ends, or the stream has lasted for LONGEST."""
        departure = asyncio.create_task(self._depart(receive))
        try:
            # So that not all reconnect together.
            async with asyncio.timeout(LONGEST * random.uniform(0.8, 1)):
                await _start(send, 200, HEADERS)
                await _send_chunk(send, HELLO)
                while not self._ended:
                    await self._send_events(send)
        except (TimeoutError, OSError):
            pass
        finally:
            departure.cancel()
        await _send_chunk(send, b"", more=False)

    async def _send_events(self, send: ASGISendCallable) -> None:
        has_event, self._has_event = self._has_event, False
        self._woken.clear()
        await _send_chunk(send, (LISTENING + CHANGED * has_event) if LISTENER.listens else DEAF)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), KEEPALIVE)

    async def _depart(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end()


def _read(sessions: Collection[str]) -> Rights:
    # Runs in a thread of the executor.
    with availability.connected():
        return rights_of(sessions, clock.now())


async def _refuse(send: ASGISendCallable, status: int) -> None:
    await _start(send, status, [(b"content-length", b"0")])
    await _send_chunk(send, b"", more=False)


async def _start(send: ASGISendCallable, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})


async def _send_chunk(send: ASGISendCallable, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


EVENT_STREAM: Final = EventStream()
