"""What a page asks the database ends after a while: its reader has given up, and others wait.

As PostgreSQL's statement_timeout, but kept here and sent as a cancellation: a setting of the session would
stay with the server's connection behind a PgBouncer in transaction mode, for jobs and devices too. What a
page sends after its answer has begun, as an export does, goes at its reader's pace; jobs and what devices
call do not come through here.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

LONGEST: Final = 30.0  # seconds of one statement
LOOK: Final = 0.5  # seconds between two looks at what is under way
CANCEL_WITHIN: Final = 5.0  # seconds to tell the server


@dataclass(eq=False)
class Statement:
    """A running statement; its lock keeps a cancellation from hitting the connection's next statement."""

    connection: psycopg.Connection[Any]
    ends_at: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False

    def cancel(self) -> None:
        with self.lock, suppress(psycopg.Error):  # if the server is gone, the statement fails by itself
            if not self.over:
                self.connection.cancel_safe(timeout=CANCEL_WITHIN)

    def end(self) -> None:
        with self.lock:
            self.over = True


class Watch:
    """The running statements of this process's pages, and the thread that cancels late ones."""

    def __init__(self, longest: float = LONGEST) -> None:
        self.longest = longest
        self._under_way: set[Statement] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, used: psycopg.Connection[Any]) -> Iterator[None]:
        """A statement on this connection; it raises QueryCanceled where it took too long."""
        statement = Statement(used, time.monotonic() + self.longest)
        with self._lock:
            self._under_way.add(statement)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="patience", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(statement)
            statement.end()

    def look(self, now: float) -> None:
        """Cancel what has run too long at `now`, seconds of time.monotonic()."""
        with self._lock:
            late = [query for query in self._under_way if query.ends_at <= now]
        for statement in late:
            statement.cancel()

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK)
            self.look(time.monotonic())


WATCH: Final = Watch()


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Stands before everything that asks the database for a page."""

    def patient(request: HttpRequest) -> HttpResponseBase:
        with connection.execute_wrapper(_limited):
            return get_response(request)

    return patient


def _limited(
    execute: Callable[..., Any],
    sql: str,
    params: Any,
    many: bool,  # noqa: FBT001  as Django calls it
    context: dict[str, Any],
) -> Any:
    with WATCH.over(context["connection"].connection):
        return execute(sql, params, many, context)
