"""The response cache: the last response of a live region, for all who see the same page.

A response is used again as long as nothing that it shows can have changed: the listener got no notification
about these organizations, no row on screen has another version, and no deadline has passed unrecorded. It
lasts for KEPT only, as some things change by the clock alone (what is stalled or flapping), and facets count
facts that change without a notification. Permissions are read for each request.

Each process has its own cache, and uses it only while the listener receives notifications.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, wraps
from typing import Concatenate, Final, ParamSpec

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.utils import timezone

from dashboard.http.compression import pack, send_packed
from dashboard.http.scope import Scope, person, request_scope
from dashboard.live import request_moment
from dashboard.live.region import SHOWN, TAG, live_answer, wants_fragment
from devices.clock import Moment
from devices.listing.row_versions import any_moved, moment_with_versions
from fleets.postgres.listener import LISTENER

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
Devices = Callable[Concatenate[HttpRequest, P], Sequence[str]]

KEPT: Final = timedelta(seconds=10)  # how long a response is used again
MOST: Final = 100  # responses; one of a hundred rows has some 150 kB
LOCKS: Final = 64  # keys share them by their hash


@dataclass(frozen=True)
class Answer:
    """A cached response of a region: the state that it was made from, when, its polling tag and its body.

    A body of None is not cached: then only whether a page shows the same can be answered.
    """

    state: Hashable
    at: datetime
    tag: str
    body: bytes | None

    @cached_property
    def packed(self) -> bytes:
        """The body compressed, once for all who get it."""
        return pack(self.body or b"")

    def is_valid(self, state: Hashable, at: datetime, tag: str | None) -> bool:
        """Whether it may answer a request at `at` that has this polling tag, while the state is `state`."""
        can_answer = self.body is not None or self.tag == tag
        return can_answer and self.state == state and abs(at - self.at) < KEPT  # the clock may be set back


class Answers:
    """The latest responses by key, at most MOST of them."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Answer] = {}
        self._lock = threading.Lock()
        # Requests for a response that is being made wait for it. Several keys may share a lock.
        self._locks = tuple(threading.Lock() for _ in range(LOCKS))

    @contextmanager
    def turn(self, key: Hashable) -> Iterator[bool]:
        """Wait until no other request makes the response of this key; whether none did from the beginning."""
        lock = self._locks[hash(key) % LOCKS]
        at_once = lock.acquire(blocking=False) or not lock.acquire()
        try:
            yield at_once
        finally:
            lock.release()

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
    """A view decorator: answers a refresh from the cache if nothing that the page shows can have changed.

    `devices` takes the view's arguments and returns the UUIDs of the devices whose facts the page shows.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not wants_fragment(request) or not LISTENER.listens:
                return view(request, *args, **kwargs)
            scope = request_scope(request)
            at, versions = moment_with_versions(devices(request, *args, **kwargs))
            state = _state(scope, at, versions)
            if state is None:
                return view(request, *args, **kwargs)
            key = _key(request, scope)
            if cached := _cached(request, key, state, at.at):
                return cached
            with ANSWERS.turn(key) as at_once:
                if cached := _cached(request, key, state, at.at):
                    return cached
                if at_once:
                    request_moment.keep(request, replace(at, moved=()))
                response = view(request, *args, **kwargs)
                _keep(request, response, key, state, at.at)
                return response

        return wrapper

    return decorate


def _key(request: HttpRequest, scope: Scope) -> Hashable:
    """The cache key: address, rows on screen, and the roles, time zone and columns of the person."""
    return (
        request.get_full_path(),
        request.headers.get(SHOWN, ""),
        tuple(sorted(scope.roles.items())),
        timezone.get_current_timezone_name(),
        tuple(person(request).list_columns),
    )


def _state(scope: Scope, at: Moment, versions: Hashable) -> Hashable | None:
    """A value that changes whenever what the page shows may have changed.

    `versions`: of the rows on screen. None if the listener receives nothing, or a deadline has passed that is
    not recorded yet.
    """
    organizations = [organization.pk for organization in scope.chosen]
    notified = LISTENER.state(organizations)
    if notified is None or any_moved(organizations, at):
        return None
    return notified, timezone.localdate(at.at), at.announced, versions


def _cached(request: HttpRequest, key: Hashable, state: Hashable, at: datetime) -> HttpResponse | None:
    answer, tag = ANSWERS.find(key), request.headers.get(TAG)
    if answer is None or not answer.is_valid(state, at, tag):
        return None
    if answer.tag == tag:
        return live_answer(HttpResponseNotModified(), answer.tag, at)
    response = send_packed(request, answer.body or b"", lambda: answer.packed)
    return live_answer(response, answer.tag, at)


def _keep(
    request: HttpRequest, response: HttpResponseBase, key: Hashable, state: Hashable, at: datetime
) -> None:
    """Cache a view's response; without its body if that has the CSRF token of a session, which is private."""
    if not isinstance(response, HttpResponse) or TAG not in response:
        return
    has_token = request.META.get("CSRF_COOKIE_NEEDS_UPDATE", False)
    before = ANSWERS.find(key)
    body = None if has_token or not response.content else response.content
    if body is None and before and before.tag == response[TAG]:
        body = before.body
    ANSWERS.keep(key, Answer(state, at, response[TAG], body))
