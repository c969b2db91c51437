"""How many calls may be open at the same time: of one key, and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from devices.ingest.http import busy
from devices.ingest.rate_limits import too_many


class AtOnce:
    """What is open, in one event loop."""

    def __init__(self) -> None:
        self._open = Counter[Hashable]()

    @contextmanager
    def one_more(self, who: Hashable, number: int, most: int | None = None) -> Iterator[None]:
        """Counts while the block runs; raises Refused: 429 where this one has so many, 503 where all have."""
        if self._open[who] >= number:
            raise too_many("This key has too many calls open at once.")
        if most is not None and self._open.total() >= most:
            raise busy()
        self._open[who] += 1
        try:
            yield
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]
