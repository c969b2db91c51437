"""The timeout of database statements of pages, whose reader has given up by then while others wait.

It cancels statements from here, as a statement_timeout of the session would stay with the server's
connection behind a PgBouncer in transaction mode, and so apply to jobs and devices. Statements after a
response has begun, as in exports, have no timeout, nor have jobs and the calls of devices.
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

LONGEST: Final = 30.0  # seconds that a statement may take
CHECK_INTERVAL: Final = 0.5  # seconds between two checks of running statements
CANCEL_WITHIN: Final = 5.0  # seconds that sending a cancellation may take


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
        self._running: set[Statement] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, used: psycopg.Connection[Any]) -> Iterator[None]:
        """Watch the statement that the block runs on this connection; it raises QueryCanceled when late."""
        statement = Statement(used, time.monotonic() + self.longest)
        with self._lock:
            self._running.add(statement)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="query-timeout", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(statement)
            statement.end()

    def cancel_late(self, now: float) -> None:
        """Cancel the statements that have run too long at `now`, in seconds of time.monotonic()."""
        with self._lock:
            late = [statement for statement in self._running if statement.ends_at <= now]
        for statement in late:
            statement.cancel()

    def _watch(self) -> None:
        while True:
            time.sleep(CHECK_INTERVAL)
            self.cancel_late(time.monotonic())


WATCH: Final = Watch()


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: applies the timeout to all statements of a request."""

    def with_timeout(request: HttpRequest) -> HttpResponseBase:
        with connection.execute_wrapper(_limited):
            return get_response(request)

    return with_timeout


def _limited(
    execute: Callable[..., Any],
    sql: str,
    params: Any,
    many: bool,  # noqa: FBT001  as Django calls it
    context: dict[str, Any],
) -> Any:
    with WATCH.over(context["connection"].connection):
        return execute(sql, params, many, context)
