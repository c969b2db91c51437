"""A short-lived cache of the lines of what needs attention, since several pages are made of them.

Lines are valid as long as no status, link or setting in their organizations changed and no deadline passed
unrecorded, and for KEPT_FOR at most, since devices stall by the clock alone. The cache belongs to one
process, and is used only while that listens to the database's notifications.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.listing.grouping import Line, Lost
from fleets.postgres.listener import LISTENER

KEPT_FOR: Final = timedelta(seconds=10)
MOST: Final = 32  # entries

Lines = tuple[Sequence[Lost], Sequence[Line]]  # the devices that were read, and their lines


@dataclass(frozen=True)
class Kept:
    """Lines as they were at `at`, and the listener's state of their organizations just before."""

    state: tuple[int, ...]
    at: datetime
    lines: Lines


class KeptLines:
    """The newest lines by key: by what was read."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Kept] = {}
        self._lock = threading.Lock()

    def lines(
        self, key: Hashable, organizations: Sequence[int], at: datetime, read: Callable[[], Lines]
    ) -> Lines:
        """The cached lines of this key, if still valid at `at`, else those that `read` returns.

        `organizations` are the ids that the lines depend on.
        """
        state = LISTENER.state(organizations) if LISTENER.listens else None
        if state is None:
            return read()
        kept = self._kept.get(key)
        if kept and kept.state == state and abs(at - kept.at) < KEPT_FOR:  # the clock may be set back
            return kept.lines
        found = read()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = Kept(state, at, found)
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]
        return found


KEPT: Final = KeptLines()
