"""Counts that take long, known for a while: they are a process's own, and kept only while it hears the news.

What very many devices share, as a tag that each has, is known for a minute: a page says nothing of so many,
so that whatever happens meanwhile it is right. How many were lost together is known until something changes
in their organizations, as are kept_lines, and longer if a cheaper look tells that nothing of it did.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
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
Digest = Callable[[], Hashable]


@dataclass(frozen=True)
class Count:
    """Numbers of these things, the state of the listener just before they were counted, and their digest."""

    state: tuple[int, ...]
    at: datetime
    things: Mapping[str, Hashable]
    digest: Digest | None
    found: Hashable
    numbers: Counted

    def now(self, state: tuple[int, ...], at: datetime, things: Mapping[str, Hashable]) -> Count | None:
        """What to keep of it while the listener is in this state; None if these things are to be counted."""
        if not (abs(at - self.at) < KEPT_FOR and things.items() <= self.things.items()):
            return None
        if self.state == state:
            return self
        return replace(self, state=state) if self.digest and self.digest() == self.found else None


class Counts:
    """Numbers of devices by what was counted."""

    def __init__(self) -> None:
        self._counted: dict[Hashable, Count] = {}

    def numbers(
        self,
        key: Hashable,
        things: Mapping[str, Hashable],
        organizations: Sequence[int],
        at: datetime,
        digest: Digest | None,
        count: Callable[[], Counted],
    ) -> Counted:
        """The numbers of these things, each with what tells it from others of its name.

        As counted since anything changed in these organizations, by id, or since `digest`, which takes a
        query, gave something else. Of no organizations nothing is kept.
        """
        state = LISTENER.state(organizations) if LISTENER.listens and organizations else None
        if state is None:
            return count()
        before = self._counted.pop(key, None)
        now = before and before.now(state, at, things)
        if now is None:
            now = Count(state, at, things, digest, digest and digest(), count())
        self._counted[key] = now
        if len(self._counted) > MOST_COUNTS:
            self._counted.pop(next(iter(self._counted)), None)
        return now.numbers


VERY_MANY: Final = VeryMany()
LOST_WITH: Final = Counts()
