"""The lines of what needs attention, kept for a moment: several pages are made of the same ones.

They are taken again as long as no status and no link in these organizations changed, nobody did anything
there, and no deadline passed unrecorded; and not for long, as what stalls does so by the clock alone. They
are this process's own, and there only while it hears the news.
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
MOST: Final = 32

Lines = tuple[Sequence[Lost], Sequence[Line]]  # the devices that were looked at, and their lines


@dataclass(frozen=True)
class Kept:
    """Lines as they were at `at`, and how things stood just before."""

    state: tuple[int, ...]
    at: datetime
    lines: Lines


class KeptLines:
    """The latest, by what was asked for."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Kept] = {}
        self._lock = threading.Lock()

    def lines(
        self, key: Hashable, organizations: Sequence[int], at: datetime, read: Callable[[], Lines]
    ) -> Lines:
        """Those kept of these organizations, where they are still right; else they are read."""
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
