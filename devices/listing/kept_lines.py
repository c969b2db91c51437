"""A short-lived cache of the devices that need attention and their lines: several pages are made of them.

What was read is valid as long as no status, link or setting in its organizations changed and no deadline
passed unrecorded. After a change only devices whose row was written are read anew, and lines are grouped anew
if there were any, by the former grouping. Everything is read anew after KEPT_FOR, since devices stall by
the clock alone. The cache belongs to one process, and is used only while that listens to the database's
notifications.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from devices.listing.grouping import Grouping
from devices.listing.trouble import Newest
from fleets.postgres.listener import LISTENER

KEPT_FOR: Final = timedelta(seconds=10)
MOST: Final = 32  # readings
GROUPINGS: Final = 8  # of a reading

Read = Callable[[Newest | None], Newest]  # reads; takes over what was not written of a former reading
Group = Callable[[Newest, Grouping | None], Grouping]  # groups; takes over what it can of a former grouping


@dataclass(frozen=True)
class Kept:
    """Devices that were read as a whole at `at`, and since then where rows were written.

    `state` is the listener's state of their organizations just before the last reading. `groupings` by the
    way in which they were grouped, each with the reading that was grouped.
    """

    state: tuple[int, ...]
    at: datetime
    newest: Newest
    groupings: Mapping[Hashable, tuple[Newest, Grouping]] = field(default_factory=dict)

    def brought_to(self, state: tuple[int, ...], read: Read) -> Kept:
        """What to keep instead, now that the listener's state is `state`."""
        return self if state == self.state else replace(self, state=state, newest=read(self.newest))

    def grouped(self, way: Hashable, group: Group) -> Kept:
        """What to keep instead, so that it has a grouping in this way."""
        newest, before = self.groupings.get(way, (None, None))
        if newest and newest.lost is self.newest.lost:
            return self
        others = self.groupings if len(self.groupings) < GROUPINGS else {}
        return replace(self, groupings={**others, way: (self.newest, group(self.newest, before))})


class KeptLines:
    """The newest readings by key: by what was read."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Kept] = {}
        self._lock = threading.Lock()

    def grouped(
        self,
        key: Hashable,
        way: Hashable,
        organizations: Sequence[int],
        at: datetime,
        read: Read,
        group: Group,
    ) -> tuple[Newest, Grouping]:
        """The devices of this key, and their grouping in this way, cached where that is valid at `at`.

        `organizations` are the ids that both depend on.
        """
        state = LISTENER.state(organizations) if LISTENER.listens else None
        if state is None:
            newest = read(None)
            return newest, group(newest, None)
        kept = self._kept.get(key)
        if kept and abs(at - kept.at) < KEPT_FOR:  # the clock may be set back
            kept = kept.brought_to(state, read)
        else:
            kept = Kept(state, at, read(None))
        kept = kept.grouped(way, group)
        self._keep(key, kept)
        return kept.newest, kept.groupings[way][1]

    def _keep(self, key: Hashable, kept: Kept) -> None:
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = kept
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]


KEPT: Final = KeptLines()
