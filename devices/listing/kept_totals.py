"""Counts that take long, known for a while: they are a process's own, and kept only while it hears the news.

What very many devices share, as a tag that each has, is known for a minute: a page says nothing of so many,
so that whatever happens meanwhile it is right. How many were lost together is known until something changes
in their organizations, as are kept_lines.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from devices.listing.kept_lines import KEPT_FOR
from fleets.postgres.listener import LISTENER

KNOWN_FOR: Final = timedelta(minutes=1)
MOST: Final = 1_000
MOST_COUNTS: Final = 32


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


Counted = Mapping[str, int]


class Counts:
    """Numbers of devices by what was counted, each with the listener's state just before, and with when."""

    def __init__(self) -> None:
        self._counted: dict[Hashable, tuple[tuple[int, ...], datetime, Counted]] = {}

    def numbers(
        self, key: Hashable, organizations: Sequence[int], at: datetime, count: Callable[[], Counted]
    ) -> Counted:
        """The numbers of this key, as counted since anything changed in these organizations, by id.

        Of no organizations nothing is kept.
        """
        state = LISTENER.state(organizations) if LISTENER.listens and organizations else None
        if state is None:
            return count()
        before = self._counted.get(key)
        if before and before[0] == state and abs(at - before[1]) < KEPT_FOR:  # the clock may be set back
            return before[2]
        found = count()
        self._counted.pop(key, None)
        self._counted[key] = (state, at, found)
        if len(self._counted) > MOST_COUNTS:
            self._counted.pop(next(iter(self._counted)), None)
        return found


VERY_MANY: Final = VeryMany()
LOST_WITH: Final = Counts()
