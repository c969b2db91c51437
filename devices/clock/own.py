"""The clock of this process that nobody sets, beside the database's, which somebody may (domain.md, Times).

Each process of the ingest compares the two between its pulses; the database may be on another machine. A
process that has just started has nothing to compare with: what it cannot see, the ledger still shows, a gap
between two pulses, or a pulse that lies in the future.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.clock import STEP
from fleets.postgres import clock

SLEWED: Final = 0.001  # by which two clocks that nobody sets may differ: NTP slews by half of it at most
# Counts the time that the machine was suspended, as the database's clock does. Elsewhere than on Linux a
# suspended machine looks like one whose clock was set forward, which has the same consequences.
BOOTTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_time() -> float:
    """Seconds since this machine was started."""
    return time.clock_gettime(BOOTTIME)


@dataclass(frozen=True)
class Look:
    """The database's clock: since the look before, so much time has passed, and it has gone beyond that."""

    at: datetime
    since: datetime | None = None
    passed: timedelta = timedelta.max
    beyond: timedelta = timedelta()
    newest: datetime | None = None  # that this process has read before


class OwnClock:
    def __init__(self, read: Callable[[], float] = boot_time) -> None:
        self._read = read
        # The database's clock, and this one just before.
        self._looked: tuple[datetime | None, float] = (None, 0.0)
        self._kept: tuple[datetime | None, float] = (None, 0.0)

    def look(self, at: datetime | None = None) -> Look:
        """Read both; `at`: what the database's clock says.

        What passed is taken for as long as it can have been, so no answer that came late looks like a step.
        """
        before, newest = self._read(), None if at else clock.NEWEST.at
        at = at or clock.look()
        (since, monotonic), self._looked = self._kept, (at, before)
        if since is None:
            return Look(at, newest=newest)
        passed = timedelta(seconds=(self._read() - monotonic) * (1 + SLEWED))
        return Look(at, since, passed, at - since - passed, newest)

    def keep(self) -> None:
        """Compare with this look from now on: what it showed has been dealt with."""
        self._kept = self._looked
        at, _ = self._looked
        if at and clock.NEWEST.at - at > STEP:
            clock.NEWEST.at = at
