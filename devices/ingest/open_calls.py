"""Limiting how many calls are open at the same time: of one key, and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from devices.ingest.http import Refused, busy
from devices.ingest.rate_limits import too_many


class OpenCalls:
    """The open calls of one event loop, counted by key."""

    def __init__(self) -> None:
        self._open = Counter[Hashable]()

    @contextmanager
    def counted(
        self, key: Hashable, limit: int, total_limit: int | None = None, *, refusal: Refused | None = None
    ) -> Iterator[None]:
        """Counts a call of `key` while the block runs.

        Raises Refused: `refusal` (None: 429) where the key has `limit` open calls, 503 where all keys have
        `total_limit`.
        """
        if self._open[key] >= limit:
            raise refusal or too_many("This key has too many calls open at once.")
        if total_limit is not None and self._open.total() >= total_limit:
            raise busy()
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
