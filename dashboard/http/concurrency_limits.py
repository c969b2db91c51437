"""Concurrency limits: at most so many expensive requests at once in a process; others are refused at once.

Rate limits are per caller, so many callers together could still use up all threads, processors and database
connections. A refusal is a page that tells why and when to try again; nothing was changed or counted.
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
    """All slots of a bound are taken in this process."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound.heading)
        self.bound = bound


class Bound:
    """A limit of `most` requests at once in this process.

    Others get a page with `heading` and `words`, and with `again`, the seconds until the next attempt.
    """

    def __init__(self, most: int, heading: str, words: str, *, again: int) -> None:
        self.most, self.heading, self.words, self.again = most, heading, words, again
        self._free = threading.BoundedSemaphore(most)
        self._has_slot = ContextVar("has_slot", default=False)  # whether the present request has a slot

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot during this block, or the one that the request has. Raises Full if none is free."""
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
        """Decorate a view: requests of this method need a slot before they count or change anything."""

        @wraps(view)
        def bounded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.method != method:
                return view(request, *args, **kwargs)
            with self.slot():
                return view(request, *args, **kwargs)

        return bounded

    def refusal(self, request: HttpRequest) -> HttpResponse:
        """The page that tells that no slot is free, with status 503."""
        words = {"heading": self.heading, "words": self.words}
        response = render(request, "refused.html", words, status=503)
        response["Retry-After"] = str(self.again)
        return response


def release_connection() -> None:
    """Return the thread's database connection to the pool, before work that takes long and needs none.

    The next query takes one again. Inside a transaction the connection is kept.
    """
    if not connection.in_atomic_block:
        connection.close()


class Refusals:
    """Django middleware that answers Full with the page of its bound."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return exception.bound.refusal(request) if isinstance(exception, Full) else None
