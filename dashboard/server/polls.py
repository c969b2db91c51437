"""uvicorn's HTTP protocol, where steady polls of devices are answered without a task.

The app takes them (devices/ingest/at_once.py); all other requests are served by the ASGI app.
"""

from __future__ import annotations

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from dashboard.server import slow_clients
from dashboard.server.dating import date
from devices.ingest.offered import AT_ONCE

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from devices.ingest.offered import Answer, Takes


class Protocol(slow_clients.Protocol):
    """One connection, whose requests are offered to the app before they become tasks."""

    _begun: RequestResponseCycle | None = None  # the request that is being answered, or was the last

    def connection_lost(self, exc: Exception | None) -> None:
        if self._begun is not None:  # uvicorn marks the newest, which may be one that waits behind this
            self._begun.disconnected = True
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._begun = cycle
        at_once: Takes | None = self.app_state.get(AT_ONCE)
        if (
            at_once is None
            or self.flow.write_paused
            or not at_once.take(cast("HTTPScope", cycle.scope), partial(self._answer, cycle))
        ):
            super()._start_asgi_task(cycle, app)

    def _answer(self, cycle: RequestResponseCycle, answer: Answer | None) -> None:
        if answer is None:  # served also where the client has left: what it sent counts
            super()._start_asgi_task(cycle, self.app)
            return
        if cycle.disconnected or self.transport.is_closing():
            return
        cycle.response_started = cycle.response_complete = True
        self.transport.write(_written(answer, int(time.time()), closes=not cycle.keep_alive))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


@lru_cache(maxsize=64)
def _written(answer: Answer, second: int, *, closes: bool) -> bytes:
    """An answer of this second since 1970 as it is sent; `closes`: its connection ends with it."""
    headers = [date(second), *answer.headers, *([(b"connection", b"close")] if closes else [])]
    lines = (b"%s: %s\r\n" % header for header in headers)
    return b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body])
