"""Steady polls from a request to its reply without a task of their own, which would cost as much as the poll.

The server offers each request (dashboard/server/polls.py). What is not taken here, or was not a steady poll
after all, is served as any other request, so everything that is refused or fails is answered there.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from devices.connectivity.steady import Poll
from devices.ingest import proxy_check
from devices.ingest.client_address import caller
from devices.ingest.http import has_no_body, headers_of
from devices.ingest.offered import Answer
from devices.metrics import counters

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgiref.typing import HTTPScope

    from devices.ingest.admission import Admission
    from devices.ingest.client_address import Caller
    from devices.ingest.http import Reply
    from devices.ingest.relay.hosts import Hosts
    from devices.ingest.routes import Call, Routes, SteadyPoll
    from devices.ingest.steady_polls import SteadyPolls
    from devices.keys import KeyHolder

SINCE: Final = "since"  # in the state of a request that was taken: when it came, by the monotonic clock


class _Taken(NamedTuple):
    scope: HTTPScope
    call: Call[Any]
    steady: SteadyPoll
    key: str
    source: Caller
    since: float
    answered: Callable[[Answer | None], None]


class AtOnce:
    """Takes polls that are probably steady."""

    def __init__(self, routes: Routes[Any], admission: Admission, polls: SteadyPolls, hosts: Hosts) -> None:
        self._routes, self._admission, self._polls, self._hosts = routes, admission, polls, hosts

    def take(self, scope: HTTPScope, answered: Callable[[Answer | None], None]) -> bool:
        """Whether a request was taken: it is a poll without a report, and none of it is to be refused.

        Then `answered` is called once, later, with its reply when the poll is durable; None: nothing was
        written, and the request is to be served as any other.
        """
        if not self._polls.can_commit or self._hosts.target(scope) is not None:
            return False
        try:
            call, named = self._routes.find(scope)
            if call.steady is None or call.method != scope["method"] or not has_no_body(scope):
                return False
            taken = _Taken(
                scope, call, call.steady, call.key(scope), caller(scope), time.monotonic(), answered
            )
            self._admission.begin(taken.key, taken.source.address, call)
        except Exception:  # noqa: BLE001  whatever it is, it is answered the other way
            return False
        poll = Poll(taken.key, taken.source.address, named.get("uuid"), call.steady.by_supervisor)
        self._polls.enqueue(poll).add_done_callback(partial(self._done, taken))
        return True

    def _done(self, taken: _Taken, future: asyncio.Future[KeyHolder | None]) -> None:
        reply = _reply(taken, future)
        self._admission.end(taken.key, taken.source.address, taken.call, reply)
        if reply is None:
            taken.scope["state"][SINCE] = taken.since
            taken.answered(None)
        else:
            taken.answered(Answer(reply.status, headers_of(reply), reply.body))
            proxy_check.CALLS.note(taken.source, taken.scope["headers"], taken.key)
            counters.call_answered(taken.call.path, reply.status)


def _reply(taken: _Taken, future: asyncio.Future[KeyHolder | None]) -> Reply | None:
    """The reply to a steady poll; None: it was none, or has failed, which the other way tells its caller."""
    try:
        device = future.result()
        return None if device is None else taken.steady.reply(taken.scope, device)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001  whatever it is, the caller gets an answer
        return None


def came_at(scope: HTTPScope) -> float:
    """When a request came, in seconds of the monotonic clock: now, unless it was taken before."""
    since: float = scope.get("state", {}).get(SINCE) or time.monotonic()
    return since
