"""How long polls have waited for their answers, for liveness and the health check."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Waiting:
    """The polls of one event loop that wait for an answer."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}  # seconds of the monotonic clock

    @contextmanager
    def one(self, since: float) -> Iterator[None]:
        """Counts one poll as waiting since then, by the monotonic clock, while the block runs."""
        mark = object()
        self._since[mark] = since
        try:
            yield
        finally:
            del self._since[mark]

    def longest(self) -> float:
        """Seconds that the oldest poll has waited; 0 where none waits."""
        now = time.monotonic()
        return now - min(self._since.values(), default=now)
