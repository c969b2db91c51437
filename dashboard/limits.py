"""How much, how long and how often a page may be asked for; what is over it is told in words.

Around Django: a body has a size and a pace, pages under way a number; and an answer is taken over whole, so
that who reads it slowly holds no thread and no connection to the database. A refusal is noted in the scope,
and Django says it (`refuse`), with the headers every page has. What devices call has limits of its own
(devices.ingest).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.shortcuts import render
from django.views import defaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

BODY_LIMIT: Final = 5 * 1024 * 1024  # bytes: some 50,000 lines of a list of devices
# A body has this many seconds, and one more for each so many bytes that came.
BODY_PATIENCE: Final = 20.0
BODY_PACE: Final = 8 * 1024
ANSWER_PATIENCE: Final = 60.0  # seconds to take an answer
ANSWER_KEPT: Final = 1024 * 1024  # bytes; what is longer, as an export, goes at the reader's pace
UNDER_WAY: Final = 40  # pages a process makes at once: more would only wait for the database

REFUSAL: Final = "lookout.refusal"
WORDS: Final = {
    408: ("This took too long to arrive", "Nothing was changed. Look at your connection and send it again."),
    413: (
        "This is too large",
        f"Nothing was changed. At most {BODY_LIMIT // 1024**2} MB are taken at once: send it in parts.",
    ),
    429: (
        "Too many pages were asked for",
        "Nothing was changed. Wait a moment, then try again; close tabs that you do not need.",
    ),
    503: ("The server has too much to do", "Nothing was changed. Try again in a moment."),
}


class Limits:
    """An ASGI app around Django's."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.under_way = 0

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        body, answer = Body(self, scope, receive), Answer(send)
        try:
            await self._app(scope, body, answer)
        finally:
            body.end()
        await answer.finish()


class Body:
    """Receives a request, and ends it where it is too large or too slow, or too many are under way."""

    def __init__(self, limits: Limits, scope: Any, receive: ASGIReceiveCallable) -> None:
        self._limits, self._scope, self._receive = limits, scope, receive
        self._deadline = asyncio.get_running_loop().time() + BODY_PATIENCE
        self._size = 0
        self._whole = self._counted = False

    async def __call__(self) -> Any:
        if self._whole:
            return await self._departure()
        if self._announced() > BODY_LIMIT:
            return self._refuse(413)
        try:
            async with asyncio.timeout_at(self._deadline):
                message: Any = await self._receive()
        except TimeoutError:
            return self._refuse(408)
        return self._look_at(message)

    def _look_at(self, message: Any) -> Any:
        if message["type"] != "http.request":
            return message
        came = len(message.get("body", b""))
        self._size += came
        self._deadline += came / BODY_PACE
        if self._size > BODY_LIMIT:
            return self._refuse(413)
        if not message.get("more_body", False):
            self._whole = True
            if self._limits.under_way >= UNDER_WAY:
                return self._refuse(503)
            self._limits.under_way += 1
            self._counted = True
        return message

    def end(self) -> None:
        if self._counted:
            self._limits.under_way -= 1

    async def _departure(self) -> Any:
        """The message that the caller went away; what else still comes is not looked at."""
        while True:
            message: Any = await self._receive()
            if message["type"] != "http.request":
                return message

    def _announced(self) -> int:
        lengths = [value for name, value in self._scope["headers"] if name == b"content-length"]
        return int(lengths[0]) if lengths and lengths[0].isdigit() else 0

    def _refuse(self, status: int) -> Any:
        self._whole = True
        self._scope[REFUSAL] = status
        return {"type": "http.request", "body": b"", "more_body": False}


class Answer:
    """Takes an answer over until it is whole, or so long that its reader must set the pace."""

    def __init__(self, send: ASGISendCallable) -> None:
        self._send = send
        self._messages: list[Any] = []
        self._size = 0

    async def __call__(self, message: Any) -> None:
        self._messages.append(message)
        self._size += len(message.get("body", b""))
        if self._size > ANSWER_KEPT:
            await self.finish()

    async def finish(self) -> None:
        messages, self._messages, self._size = self._messages, [], 0
        async with asyncio.timeout(ANSWER_PATIENCE):
            for message in messages:
                await self._send(message)


def refuse(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Says what the limits around Django refused."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        status = getattr(request, "scope", {}).get(REFUSAL)
        return refusal(request, status) if status else get_response(request)

    return middleware


def refusal(request: HttpRequest, status: int) -> HttpResponse:
    """The page that says why, and what to do; it ends the connection, as more may be on its way."""
    heading, words = WORDS[status]
    response = render(request, "refused.html", {"heading": heading, "words": words}, status=status)
    response["Connection"] = "close"
    if status in {429, 503}:
        response["Retry-After"] = "10"
    return response


def too_many_tries(request: HttpRequest) -> HttpResponse:
    """Of signing in and what belongs to it, where no form is there to say so."""
    words = "Nothing was changed, and who is signed in stays signed in. Wait a minute, then try again."
    return render(request, "refused.html", {"heading": "Too many tries", "words": words}, status=429)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 400, except for a form that has too much in it."""
    if isinstance(exception, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        return refusal(request, 413)
    return defaults.bad_request(request, exception)
