"""What a live region showed a moment ago, for all who look at it: most refreshes would find nothing new.

An answer is given again as long as nothing that it shows can have changed: no status and no link in these
organizations, nothing that people did there (the news), no row that is on screen, no deadline that passed
unrecorded; and not for long, as some things fade with the clock alone (what stalls, what changes often) and
facets count facts that devices report without news. Who may see it is read each time.

It is this process's own, and there only while it hears the news.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Concatenate, Final, ParamSpec

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.utils import timezone

from dashboard.http.scope import Scope, person, request_scope
from dashboard.live.region import SHOWN, TAG, live_answer, wants_fragment
from devices import clock
from devices.clock import Moment
from devices.listing.row_versions import any_moved, versions
from fleets.postgres.listener import LISTENER

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
Devices = Callable[Concatenate[HttpRequest, P], Sequence[str]]

KEPT: Final = timedelta(seconds=10)
MOST: Final = 100  # answers; one of a hundred rows has some 150 kB
LOCKS: Final = 64


@dataclass(frozen=True)
class Answer:
    """What a region showed at `at`, and how things stood just before; `body` None: to be made anew."""

    state: Hashable
    at: datetime
    tag: str
    body: bytes | None

    def holds(self, state: Hashable, at: datetime, tag: str | None) -> bool:
        """Whether it still answers who asks with this tag."""
        known = self.body is not None or self.tag == tag
        return known and self.state == state and abs(at - self.at) < KEPT  # the clock may be set back


class Answers:
    """The latest, by what was asked for."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Answer] = {}
        self._lock = threading.Lock()
        # Who asks for what is being made waits for it. A door may belong to several pages.
        self._locks = tuple(threading.Lock() for _ in range(LOCKS))

    def lock_of(self, key: Hashable) -> threading.Lock:
        return self._locks[hash(key) % LOCKS]

    def find(self, key: Hashable) -> Answer | None:
        return self._kept.get(key)

    def keep(self, key: Hashable, answer: Answer) -> None:
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = answer
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]


ANSWERS: Final = Answers()


def cached_response(devices: Devices[P]) -> Callable[[View[P]], View[P]]:
    """Answer a refresh of this page from memory where it would find nothing new.

    `devices` names those whose facts the page shows, by UUID.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not wants_fragment(request) or not LISTENER.listens:
                return view(request, *args, **kwargs)
            scope, at = request_scope(request), clock.moment()
            state = _state(scope, at, devices(request, *args, **kwargs))
            if state is None:
                return view(request, *args, **kwargs)
            key = _key(request, scope)
            if again := _again(request, key, state, at.at):
                return again
            with ANSWERS.lock_of(key):
                if again := _again(request, key, state, at.at):
                    return again
                response = view(request, *args, **kwargs)
                _keep(request, response, key, state, at.at)
                return response

        return wrapper

    return decorate


def _key(request: HttpRequest, scope: Scope) -> Hashable:
    """What else decides what a page shows: its address, the rows on screen, and what is the person's."""
    return (
        request.get_full_path(),
        request.headers.get(SHOWN, ""),
        tuple(sorted(scope.roles.items())),
        timezone.get_current_timezone_name(),
        tuple(person(request).list_columns),
    )


def _state(scope: Scope, at: Moment, uuids: Sequence[str]) -> Hashable | None:
    """How things stand for this page; None where nobody knows, or the clock changes them just now."""
    organizations = [organization.pk for organization in scope.chosen]
    notified = LISTENER.state(organizations)
    if notified is None or any_moved(organizations, at):
        return None
    return notified, timezone.localdate(at.at), at.announced, versions(uuids)


def _again(request: HttpRequest, key: Hashable, state: Hashable, at: datetime) -> HttpResponse | None:
    answer, tag = ANSWERS.find(key), request.headers.get(TAG)
    if answer is None or not answer.holds(state, at, tag):
        return None
    response = HttpResponseNotModified() if answer.tag == tag else HttpResponse(answer.body)
    return live_answer(response, answer.tag, at)


def _keep(
    request: HttpRequest, response: HttpResponseBase, key: Hashable, state: Hashable, at: datetime
) -> None:
    """A page that holds a token of its session is not for others, but whether it changed is."""
    if not isinstance(response, HttpResponse) or TAG not in response:
        return
    of_session = request.META.get("CSRF_COOKIE_NEEDS_UPDATE", False)
    before = ANSWERS.find(key)
    body = None if of_session or not response.content else response.content
    if body is None and before and before.tag == response[TAG]:
        body = before.body
    ANSWERS.keep(key, Answer(state, at, response[TAG], body))
