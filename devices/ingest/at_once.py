"""Steady polls from a request to its reply without a task of their own, which would cost as much as the poll.

The server offers each request (dashboard/server/polls.py). What is not taken here, or was not a steady poll
after all, is served as any other request, so everything that is refused or fails is answered there.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

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


class AtOnce:
    """Takes polls that are probably steady."""

    def __init__(self, routes: Routes[Any], admission: Admission, polls: SteadyPolls, hosts: Hosts) -> None:
        self._routes, self._admission, self._polls, self._hosts = routes, admission, polls, hosts
        self._uncounted: dict[tuple[str, int], int] = defaultdict(int)  # answers, by path and status

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
            key, source, since = call.key(scope), caller(scope), time.monotonic()
            self._admission.begin(key, source.address, call, since)
        except Exception:  # noqa: BLE001  whatever it is, it is answered the other way
            return False
        poll = Poll(key, source.address, named.get("uuid"), call.steady.by_supervisor)
        self._polls.enqueue(poll, partial(self._done, scope, call, key, source, since, answered))
        return True

    def _done(
        self,
        scope: HTTPScope,
        call: Call[Any],
        key: str,
        source: Caller,
        since: float,
        answered: Callable[[Answer | None], None],
        device: KeyHolder | Exception | None,
    ) -> None:
        reply = _reply(scope, call.steady, device)
        self._admission.end(key, source.address, call, reply)
        if reply is None:
            scope["state"][SINCE] = since
            answered(None)
            return
        answered(_answer(reply))
        proxy_check.CALLS.note(source, scope["headers"], key)
        if not self._uncounted:
            asyncio.get_running_loop().call_soon(self._count)
        self._uncounted[call.path, reply.status] += 1

    def _count(self) -> None:
        """Count the answers of a batch together."""
        counted, self._uncounted = self._uncounted, defaultdict(int)
        for (path, status), number in counted.items():
            counters.call_answered(path, status, number)


def _reply(scope: HTTPScope, steady: SteadyPoll | None, device: KeyHolder | Exception | None) -> Reply | None:
    """The reply to a steady poll; None: it was none, or has failed, which the other way tells its caller."""
    if steady is None or device is None or isinstance(device, Exception):
        return None
    try:
        return steady.reply(scope, device)
    except Exception:  # noqa: BLE001  whatever it is, the caller gets an answer
        return None


@lru_cache(maxsize=256)
def _answer(reply: Reply) -> Answer:
    return Answer(reply.status, headers_of(reply), reply.body)


def came_at(scope: HTTPScope) -> float:
    """When a request came, in seconds of the monotonic clock: now, unless it was taken before."""
    since: float = scope.get("state", {}).get(SINCE) or time.monotonic()
    return since
