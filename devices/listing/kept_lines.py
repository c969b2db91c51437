"""A short-lived cache of the devices that need attention and their lines: several pages are made of them.

What was read is valid as long as no status, link or setting in its organizations changed and no deadline
passed unrecorded. After a change only devices whose row was written are read anew, and lines are grouped anew
if there were any. Everything is read anew after KEPT_FOR, since devices stall by the clock alone. The cache
belongs to one process, and is used only while that listens to the database's notifications.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from devices.listing.grouping import Line, Lost
from fleets.postgres.listener import LISTENER

KEPT_FOR: Final = timedelta(seconds=10)
MOST: Final = 32  # readings
GROUPINGS: Final = 8  # of a reading

Read = Callable[
    [Sequence[Lost]], Sequence[Lost]
]  # reads; takes over what was not written of a former reading
Group = Callable[[Sequence[Lost]], Sequence[Line]]
Lines = tuple[Sequence[Lost], Sequence[Line]]  # the devices that were read, and their lines


@dataclass(frozen=True)
class Kept:
    """Devices that were read as a whole at `at`, and since then where rows were written.

    `state` is the listener's state of their organizations just before the last reading. `lines` by the way
    in which they were grouped.
    """

    state: tuple[int, ...]
    at: datetime
    lost: Sequence[Lost]
    lines: Mapping[Hashable, Sequence[Line]] = field(default_factory=dict)

    def brought_to(self, state: tuple[int, ...], read: Read) -> Kept:
        """What to keep instead, now that the listener's state is `state`."""
        if state == self.state:
            return self
        lost = read(self.lost)
        return Kept(state, self.at, lost, self.lines if lost is self.lost else {})

    def grouped(self, way: Hashable, group: Group) -> Kept:
        """What to keep instead, so that it has lines that were grouped in this way."""
        if way in self.lines:
            return self
        lines = self.lines if len(self.lines) < GROUPINGS else {}
        return replace(self, lines={**lines, way: group(self.lost)})


class KeptLines:
    """The newest readings by key: by what was read."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Kept] = {}
        self._lock = threading.Lock()

    def lines(
        self,
        key: Hashable,
        way: Hashable,
        organizations: Sequence[int],
        at: datetime,
        read: Read,
        group: Group,
    ) -> Lines:
        """The devices of this key, and their lines grouped in this way, cached where that is valid at `at`.

        `organizations` are the ids that both depend on.
        """
        state = LISTENER.state(organizations) if LISTENER.listens else None
        if state is None:
            lost = read(())
            return lost, group(lost)
        kept = self._kept.get(key)
        if kept and abs(at - kept.at) < KEPT_FOR:  # the clock may be set back
            kept = kept.brought_to(state, read)
        else:
            kept = Kept(state, at, read(()))
        kept = kept.grouped(way, group)
        self._keep(key, kept)
        return kept.lost, kept.lines[way]

    def _keep(self, key: Hashable, kept: Kept) -> None:
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = kept
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]


KEPT: Final = KeptLines()
