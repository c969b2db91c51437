"""Rate limits of pages and static files: too many requests are refused before they cost a query.

A signed-in person has a token bucket of their own; all others share that of their network address, which may
be a whole company's. The person of a session is remembered, so that neither strangers at the same address nor
invented sessions stop a person at work. Static files have buckets by address. Each process counts for itself.
The refreshes of pages in many tabs stay far below the limits. Wrong passwords have limits at sign-in.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from dashboard.http.request_limits import REFUSAL
from dashboard.http.session_cookie import session_in
from devices.ingest.rate_limits import Buckets, Size, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

VISITORS: Final = Size(rate=10, burst=300)
PEOPLE: Final = Size(rate=20, burst=600)
FILES: Final = Size(rate=100, burst=6_000)
SESSIONS: Final = 50_000  # remembered at most


class RateLimits:
    """The buckets of one process, and the persons of sessions that it has seen; thread-safe."""

    def __init__(self, visitors: Size = VISITORS, people: Size = PEOPLE, files: Size = FILES) -> None:
        self._visitors, self._people, self._files = Buckets(visitors), Buckets(people), Buckets(files)
        self._person: dict[int, Hashable] = {}  # by hash of the session
        self._lock = Lock()

    def admit(self, session: str, address: str, now: float, *, file: bool = False) -> bool:
        """Whether a request may proceed, and if so count it.

        `now` is in seconds of a monotonic clock, `file` whether it is for a static file.
        """
        with self._lock:
            person = None if file else self._person.get(hash(session))
            if person is None and not address:  # on a Unix socket, where the proxy in front limits addresses
                return True
            by_address = self._files if file else self._visitors
            buckets, key = (by_address, origin(address)) if person is None else (self._people, person)
            if buckets.is_empty(key, now):
                return False
            buckets.take(key, now)
            return True

    def note(self, session: str, person: Hashable | None) -> None:
        """Remember the person of a session; None: it is not, or no longer, signed in."""
        with self._lock:
            if person is None:
                self._person.pop(hash(session), None)
                return
            self._person[hash(session)] = person
            if len(self._person) > SESSIONS:
                del self._person[next(iter(self._person))]


RATE_LIMITS = RateLimits()


class RateLimited:
    """ASGI middleware of pages and the event stream; they answer the refusal that it sets in the scope."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            address = scope["client"][0] if scope["client"] else ""
            file = scope["path"].startswith(settings.STATIC_URL)
            if not RATE_LIMITS.admit(session_in(scope["headers"]), address, time.monotonic(), file=file):
                scope[REFUSAL] = 429
        await self._app(scope, receive, send)


def notes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware around that of sessions: notes the person of each request's session."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        session = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        response = get_response(request)
        if session and getattr(request, "session", None) is not None:  # None if the database was unavailable
            user = getattr(request, "user", None)
            RATE_LIMITS.note(session, user.pk if user is not None and user.is_authenticated else None)
        return response

    return middleware
