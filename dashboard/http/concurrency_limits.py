"""Bounds on what is expensive: so many at once in a process, whoever asks; more are refused at once.

Rate limits count a caller; many callers together would still fill all threads, processors and connections to
the database. A refusal is a page that says why and when to try again, and nothing was changed or counted.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.db import connection
from django.shortcuts import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

P = ParamSpec("P")


class Full(Exception):
    """As many as may are under way in this process."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound.heading)
        self.bound = bound


class Bound:
    """At most `most` at once; to others the heading and the words, and seconds until the next try."""

    def __init__(self, most: int, heading: str, words: str, *, again: int) -> None:
        self.most, self.heading, self.words, self.again = most, heading, words, again
        self._free = threading.BoundedSemaphore(most)
        self._has_slot = ContextVar("has_slot", default=False)  # of a request, from the socket to its thread

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds a slot inside this block; a request that has one keeps it. Raises Full if none is free."""
        if self._has_slot.get():
            yield
            return
        if not self._free.acquire(blocking=False):
            raise Full(self)
        token = self._has_slot.set(True)
        try:
            yield
        finally:
            self._has_slot.reset(token)
            self._free.release()

    def around(
        self, view: Callable[Concatenate[HttpRequest, P], HttpResponseBase], method: str = "POST"
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        """The view, with a slot for each request of this method: before it counts or changes anything."""

        @wraps(view)
        def bounded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.method != method:
                return view(request, *args, **kwargs)
            with self.slot():
                return view(request, *args, **kwargs)

        return bounded

    def refusal(self, request: HttpRequest) -> HttpResponse:
        """The page that says so."""
        words = {"heading": self.heading, "words": self.words}
        response = render(request, "refused.html", words, status=503)
        response["Retry-After"] = str(self.again)
        return response


def release_connection() -> None:
    """Give the thread's connection to the database to others, before what takes long and needs none.

    The next query takes one again. Inside a transaction it stays.
    """
    if not connection.in_atomic_block:
        connection.close()


class Refusals:
    """The middleware that tells those for whom no slot was free."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return exception.bound.refusal(request) if isinstance(exception, Full) else None
