"""What very many devices share, as a tag that each has, known for a minute: to count them takes long.

A page says nothing of so many, so that whatever happens meanwhile it is right. It is this process's own, and
there only while it hears the news, as are kept_lines.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Final

from fleets.postgres.listener import LISTENER

KNOWN_FOR: Final = timedelta(minutes=1)
MOST: Final = 1_000


class VeryMany:
    """Things of which somebody counted very many devices, each with when that was."""

    def __init__(self) -> None:
        self._counted: dict[Hashable, datetime] = {}

    def knows(self, thing: Hashable, at: datetime) -> bool:
        """Whether very many share it, as somebody has found within the minute before `at`."""
        counted = self._counted.get(thing)
        return counted is not None and abs(at - counted) < KNOWN_FOR  # the clock may be set back

    def note(self, thing: Hashable, at: datetime) -> None:
        """Very many share it at `at`."""
        if LISTENER.listens:
            self._counted[thing] = at
            if len(self._counted) > MOST:
                self._counted.pop(next(iter(self._counted)), None)


VERY_MANY: Final = VeryMany()
