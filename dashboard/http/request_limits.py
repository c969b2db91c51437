"""Limits of requests around Django: the size and pace of a body, and the number of requests in progress.

A response is taken from Django as a whole, so that a slow reader takes no thread and no database connection.
A refusal is set in the scope and rendered by Django (`refuse`), with the headers of every page; it is cached,
so that a flood of refusals takes no threads. The calls of devices have limits of their own (devices.ingest).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import parse_cookie
from django.shortcuts import render
from django.views import defaults

from dashboard.http.concurrency_limits import Bound, Full
from dashboard.http.password_hashing import PASSWORDS
from devices.ingest.pace import Pace
from devices.metrics import counters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

BODY_LIMIT: Final = 5 * 1024 * 1024  # bytes: some 50,000 lines of a list of devices
# A body may take this many seconds, and one more for each BODY_PACE bytes that have arrived.
BODY_TIMEOUT: Final = 20.0
BODY_PACE: Final = 8 * 1024
READ_AHEAD: Final = 64 * 1024  # bytes of a body that are received before a thread begins with it
# A larger body takes memory, then a file and its descriptor, until it is read, so few are received at once.
LARGE: Final = 256 * 1024  # bytes
LARGE_AT_ONCE: Final = 20
RESPONSE_TIMEOUT: Final = 60.0  # seconds in which a client must read a response
RESPONSE_BUFFER: Final = 1024 * 1024  # bytes; longer responses, as exports, are sent at the client's pace
IN_PROGRESS: Final = 40  # requests at once in a process: more would only wait for the database

THEMES: Final = ("light", "dark")
# Requests that are expensive and open to strangers, by method and path.
BOUNDED: Final = {("POST", "/sign-in/"): PASSWORDS}

REFUSAL: Final = "lookout.refusal"  # a status of WORDS, or the Bound that is full
WORDS: Final = {
    408: ("This took too long to arrive", "Nothing was changed. Check your connection and send it again."),
    413: (
        "This is too large",
        f"Nothing was changed. Up to {BODY_LIMIT // 1024**2} MB are accepted at once. Send it in parts.",
    ),
    429: (
        "You requested too many pages",
        "Nothing was changed. Wait a moment, then try again. Close tabs that you do not need.",
    ),
    503: ("The server is too busy", "Nothing was changed. Try again in a moment."),
}


class Limits:
    """ASGI middleware that applies the limits to Django's application."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._refusals: dict[Any, list[Any]] = {}  # messages of rendered refusals, by all that they depend on
        self._rendering: dict[Any, asyncio.Event] = {}
        self.in_progress = 0  # requests
        self.large = 0  # requests with a body larger than LARGE

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        body, answer = Body(self, scope, receive), Response(send)
        with body.slots:
            await body.begin()
            if REFUSAL in scope:
                await self._refuse(scope, body, answer)
            else:
                await self._app(scope, body, answer)
        await answer.finish()

    async def _refuse(self, scope: Any, body: Body, answer: Response) -> None:
        """Answer with the refusal that Django rendered for an equal request, or render it once."""
        kind = (scope[REFUSAL], scope["scheme"], *_appearance(scope["headers"]))
        if rendering := self._rendering.get(kind):
            await rendering.wait()
        if kind in self._refusals:
            for message in self._refusals[kind]:
                await answer(message)
            return
        self._rendering[kind] = asyncio.Event()
        try:
            await self._app(scope, body, answer)
            if answer.status in WORDS:  # not a redirect to HTTPS
                self._refusals[kind] = answer.messages
        finally:
            self._rendering.pop(kind).set()


def _appearance(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, bool]:
    """The theme of the page, and whether it may be compressed."""
    values = dict(headers)
    theme = parse_cookie(values.get(b"cookie", b"").decode("latin-1")).get("theme", "")
    return theme if theme in THEMES else "", b"gzip" in values.get(b"accept-encoding", b"")


class Body:
    """Receives the body of a request, and refuses it if it is too large or slow, or too many run."""

    def __init__(self, limits: Limits, scope: Any, receive: ASGIReceiveCallable) -> None:
        self._limits, self._scope, self._receive = limits, scope, receive
        self._pace = Pace(BODY_TIMEOUT, BODY_PACE)
        self._received: deque[Any] = deque()
        self._size = 0
        self._whole = self._large = False
        self.slots = ExitStack()  # closed at the end of the request, to release what it counts for

    async def begin(self) -> None:
        """Receive the whole body if it is not longer than READ_AHEAD, so that no thread waits for it."""
        while not self._whole and max(self._size, self._announced()) <= READ_AHEAD:
            message = await self._next()
            self._received.append(message)
            if message["type"] != "http.request":
                return

    async def __call__(self) -> Any:
        if self._received:
            return self._received.popleft()
        return await (self._departure() if self._whole else self._next())

    async def _next(self) -> Any:
        if REFUSAL in self._scope:  # refused by the rate limits: its body is not read
            return self._refuse(self._scope[REFUSAL])
        if self._announced() > BODY_LIMIT:
            return self._refuse(413)
        try:
            message = await self._pace.chunk(self._receive)
        except TimeoutError:
            return self._refuse(408)
        return self._checked(message)

    def _checked(self, message: Any) -> Any:
        if message["type"] != "http.request":
            return message
        self._size += len(message.get("body", b""))
        if self._size > BODY_LIMIT:
            return self._refuse(413)
        if self._size > LARGE and not self._large:
            if self._limits.large >= LARGE_AT_ONCE:
                return self._refuse(503)
            self._limits.large += 1
            self._large = True
            self.slots.callback(self._large_ended)
        if not message.get("more_body", False):
            self._whole = True
            return self._admitted(message)
        return message

    def _admitted(self, message: Any) -> Any:
        """The last message of the body, or a refusal if too many requests are in progress."""
        if self._limits.in_progress >= IN_PROGRESS:
            return self._refuse(503)
        bound = BOUNDED.get((self._scope["method"], self._scope["path"]))
        try:
            if bound:
                self.slots.enter_context(bound.slot())
        except Full as full:
            return self._refuse(full.bound)
        self._limits.in_progress += 1
        self.slots.callback(self._ended)
        return message

    def _ended(self) -> None:
        self._limits.in_progress -= 1

    def _large_ended(self) -> None:
        self._limits.large -= 1

    async def _departure(self) -> Any:
        """Wait for the message that the client has disconnected; further parts of the body are dropped."""
        while True:
            message: Any = await self._receive()
            if message["type"] != "http.request":
                return message

    def _announced(self) -> int:
        lengths = [value for name, value in self._scope["headers"] if name == b"content-length"]
        return int(lengths[0]) if lengths and lengths[0].isdigit() else 0

    def _refuse(self, why: int | Bound) -> Any:
        self._whole = True
        counters.refused(503 if isinstance(why, Bound) else why)
        self._scope[REFUSAL] = why
        return {"type": "http.request", "body": b"", "more_body": False}


class Response:
    """Buffers a response until it is complete or longer than RESPONSE_BUFFER, then sends it."""

    def __init__(self, send: ASGISendCallable) -> None:
        self._send = send
        self.messages: list[Any] = []
        self._size = 0

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)
        self._size += len(message.get("body", b""))
        if self._size > RESPONSE_BUFFER:
            await self.finish()

    @property
    def status(self) -> int:
        """The HTTP status of the response while it is buffered; 0 once it is being sent."""
        return self.messages[0]["status"] if self.messages else 0

    async def finish(self) -> None:
        messages, self.messages, self._size = self.messages, [], 0
        async with asyncio.timeout(RESPONSE_TIMEOUT):
            for message in messages:
                await self._send(message)


def refuse(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: renders the refusal that the limits around Django have set in the scope."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        why = getattr(request, "scope", {}).get(REFUSAL)
        if isinstance(why, Bound):
            return why.refusal(request)
        return refusal(request, why) if why else get_response(request)

    return middleware


def refusal(request: HttpRequest, status: int) -> HttpResponse:
    """The page that tells why a request was refused; it closes the connection, as a body may follow."""
    heading, words = WORDS[status]
    response = render(request, "refused.html", {"heading": heading, "words": words}, status=status)
    response["Connection"] = "close"
    if status in {429, 503}:
        response["Retry-After"] = "10"
    return response


def too_many_tries(request: HttpRequest) -> HttpResponse:
    """The page for too many attempts to sign in, where no form can show that."""
    words = "Nothing was changed, and nobody is signed out. Wait a minute, then try again."
    return render(request, "refused.html", {"heading": "Too many tries", "words": words}, status=429)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 400, but 413 for a form with too much data, too many fields or files."""
    if isinstance(exception, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        return refusal(request, 413)
    return defaults.bad_request(request, exception)
