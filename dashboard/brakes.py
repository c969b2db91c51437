"""Brakes for pages: who asks too often is refused before a session is looked up.

A person signed in has a bucket of their own; everybody else shares the address's, which may be a whole
company's. Who is signed in is remembered by session, so that no stranger at the same address, and no made-up
session, stops a person at work. Each process has its own. A page's refreshes, in many tabs too, stay far
below. Wrong passwords have brakes of their own, at sign-in.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final

from django.conf import settings

from dashboard.limits import refusal
from devices.ingest.brakes import Buckets, Size, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

VISITORS: Final = Size(rate=10, burst=300)
PEOPLE: Final = Size(rate=20, burst=600)
SESSIONS: Final = 50_000  # remembered at most


class Gates:
    """The buckets of one process, and whose sessions it has seen. Safe for threads."""

    def __init__(self) -> None:
        self._visitors, self._people = Buckets(VISITORS), Buckets(PEOPLE)
        self._person: dict[int, Hashable] = {}  # by hash of the session
        self._lock = Lock()

    def admit(self, session: str, address: str, now: float) -> bool:
        """Whether this request may go on; then it counts."""
        with self._lock:
            person = self._person.get(hash(session))
            if person is None and not address:  # on a socket: who is in front has brakes of its own
                return True
            buckets, who = (self._visitors, origin(address)) if person is None else (self._people, person)
            if buckets.is_empty(who, now):
                return False
            buckets.take(who, now)
            return True

    def note(self, session: str, person: Hashable | None) -> None:
        """Whose session it turned out to be; None: nobody's (any more)."""
        with self._lock:
            if person is None:
                self._person.pop(hash(session), None)
                return
            self._person[hash(session)] = person
            if len(self._person) > SESSIONS:
                del self._person[next(iter(self._person))]


def brakes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Stands around the session middleware."""
    gates = Gates()

    def middleware(request: HttpRequest) -> HttpResponseBase:
        session = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        if not gates.admit(session, request.META.get("REMOTE_ADDR", ""), time.monotonic()):
            return refusal(request, 429)
        response = get_response(request)
        if session and getattr(request, "session", None) is not None:  # None: the database did not say
            user = getattr(request, "user", None)
            gates.note(session, user.pk if user is not None and user.is_authenticated else None)
        return response

    return middleware
