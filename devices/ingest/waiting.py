"""Since when polls wait for their answer: how long the database, or we, let devices wait."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Waiting:
    """Of one event loop. Those that came first stand first."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}  # seconds of the monotonic clock

    @contextmanager
    def one(self) -> Iterator[None]:
        """Inside this block one more waits."""
        mark = object()
        self._since[mark] = time.monotonic()
        try:
            yield
        finally:
            del self._since[mark]

    def longest(self) -> float:
        """Seconds that the oldest has waited; 0 where none waits."""
        return time.monotonic() - next(iter(self._since.values()), time.monotonic())
