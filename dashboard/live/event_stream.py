"""Tells open pages at once that something changed in their organizations; what it is they then ask for.

Server-sent events, in a stream that is nobody's page: it holds no thread and no connection to the database,
and says no more than that there is news. Whether the session still stands and its person still belongs to the
organization is read anew just before each word; so whoever signed out or left hears nothing more. Who came to
an organization hears of it from the next stream on, within five minutes.

A page that hears nothing asks every two seconds: where no stream is left here, something between buffers it,
or this process hears nothing from the database itself, which it says.
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
from fleets.postgres import availability
from fleets.postgres.listener import LISTENER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable

logger = logging.getLogger(__name__)

PATH: Final = "/bell/"
MOST: Final = 500  # streams of this process, and a quarter of its connections at most
PERSON: Final = 12  # of one person, in however many sessions
BROWSER: Final = 3  # of one session: a browser opens six connections to a site, and needs some for pages
KEEP: Final = 15.0  # seconds between two signs of life
LONGEST: Final = 300.0  # seconds at most; then the browser comes again
# A stream rings at once a few times, then as often as its page would ask without it.
SPARE, EVERY = 5, 2.0
# Not all at once, or those that wait would take the place of pages that somebody opens.
APART: Final = 0.01  # seconds between two that are told
ROOM: Final = 4  # pages under way, beyond which the next wait
BATCH: Final = 4  # whose rights are read together
HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
HELLO: Final = b"retry: 3000\n\n"
LISTENING: Final = b"event: listening\ndata:\n\n"
DEAF: Final = b"event: deaf\ndata:\n\n"
RING: Final = b"event: changed\ndata:\n\n"


class EventStream:
    """An ASGI app of one path, around which stand the rate limits (dashboard/http/rate_limits.py) and nothing
    else.
    """

    def __init__(self) -> None:
        self._streams: dict[Stream, None] = {}
        self._open = Counter[str | int]()  # by session, and by person
        self._loop: asyncio.AbstractEventLoop | None = None
        self._to_ring: dict[Stream, None] = {}
        self._ringing: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(2, "bell")
        self.under_way: Callable[[], int] = lambda: 0  # how many pages this process makes

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
            await self._ring_for(stream, receive, send)

    async def _read(self, sessions: Collection[str]) -> Rights | None:
        """None: the database does not say."""
        if not sessions:
            return {}
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _read, sessions)
        except db.Error as error:
            logger.warning("cannot read who listens: %s", str(error).partition("\n")[0])
            return None

    async def _ring_for(self, stream: Stream, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._streams[stream] = None
        self._open.update([stream.session, stream.person])
        self._listen()
        try:
            await stream.run(receive, send)
        finally:
            del self._streams[stream]
            self._to_ring.pop(stream, None)
            self._open -= Counter[str | int]([stream.session, stream.person])

    def _listen(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            LISTENER.subscribe(self._heard)
            LISTENER.start()

    def _heard(self, organization: int | None) -> None:
        """In the thread that listens."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring, organization)

    def _ring(self, organization: int | None) -> None:
        if organization is None:  # it listens from now on, or no more
            for stream in self._streams:
                stream.wake()
            return
        loop = asyncio.get_running_loop()
        about = [stream for stream in self._streams if organization in stream.organizations]
        random.shuffle(about)
        for stream in about:
            if not stream.changed:
                loop.call_at(stream.next_at(loop.time()), self._queue, stream)
            stream.changed.add(organization)

    def _queue(self, stream: Stream) -> None:
        if stream not in self._streams:
            return
        self._to_ring[stream] = None
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._one_by_one())

    async def _one_by_one(self) -> None:
        while self._to_ring:
            if self.under_way() < ROOM:
                await self._tell(list(islice(self._to_ring, BATCH)))
            await asyncio.sleep(APART)

    async def _tell(self, some: list[Stream]) -> None:
        rights = await self._read({stream.session for stream in some}) or {}
        for stream in some:
            self._to_ring.pop(stream, None)
            stream.tell(rights.get(stream.session))
            await asyncio.sleep(APART)

    def end(self) -> None:
        """The process ends: so do the streams, which it would else wait for."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for stream in self._streams:
            stream.end()


class Stream:
    """One page that listens."""

    def __init__(self, session: str, subscriber: Subscriber) -> None:
        self.session, (self.person, self.organizations) = session, subscriber
        self.changed = set[int]()  # organizations that something changed in, and it was not told yet
        self._woken = asyncio.Event()
        self._rung = self._ended = False
        self._paid_until = 0.0

    def next_at(self, now: float) -> float:
        """When it may ring next, which is then spent."""
        at = max(now, self._paid_until - SPARE * EVERY)
        self._paid_until = max(now, self._paid_until) + EVERY
        return at

    def tell(self, subscriber: Subscriber | None) -> None:
        """That there is news, if it is of organizations that are theirs by now; None: it is nobody's."""
        if subscriber is None:
            self.end()
            return
        self._rung |= not self.changed.isdisjoint(subscriber.organizations)
        self.organizations = subscriber.organizations
        self.changed.clear()
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        self._ended = True
        self._woken.set()

    async def run(self, receive: Any, send: ASGISendCallable) -> None:
        """Until the page is gone, the process ends, or it is time to come again."""
        departure = asyncio.create_task(self._depart(receive))
        try:
            async with asyncio.timeout(LONGEST * random.uniform(0.8, 1)):  # not all come again together
                await _start(send, 200, HEADERS)
                await _send_chunk(send, HELLO)
                while not self._ended:
                    await self._say(send)
        except (TimeoutError, OSError):
            pass
        finally:
            departure.cancel()
        await _send_chunk(send, b"", more=False)

    async def _say(self, send: ASGISendCallable) -> None:
        rung, self._rung = self._rung, False
        self._woken.clear()
        await _send_chunk(send, (LISTENING + RING * rung) if LISTENER.listens else DEAF)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), KEEP)

    async def _depart(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end()


def _read(sessions: Collection[str]) -> Rights:
    """In a thread of its own."""
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
