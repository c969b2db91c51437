"""Noticing that the database's clock was set, by a clock of the process that nobody sets (domain.md, Times).

Each process of the ingest compares the two clocks between its liveness signs; the database may be on another
machine. A process that has just started has nothing to compare with. The ledger still shows it a gap between
two signs, or a sign that lies in the future.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.clock import STEP
from fleets.postgres import clock

SLEWED: Final = 0.001  # the drift between two clocks that nobody sets: NTP slews by half of it at most
# Counts the time that the machine was suspended, as the database's clock does. On systems without such a
# clock a suspended machine looks like one whose clock was set forward, which has the same consequences.
BOOTTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_time() -> float:
    """Seconds since this machine was started."""
    return time.clock_gettime(BOOTTIME)


@dataclass(frozen=True)
class Look:
    """A reading of the database's clock, compared with the reading that was kept before."""

    at: datetime  # what the database's clock says
    since: datetime | None = None  # what it said at the kept reading; None: there was none
    passed: timedelta = timedelta.max  # the time between the two, by the process's own clock
    beyond: timedelta = timedelta()  # how much further the database's clock went; negative: it was set back
    newest: datetime | None = None  # the newest moment that this process has read of the database's clock


@dataclass(frozen=True)
class Before:
    """The own clock just before the database's is read, and the newest reading of that until then.

    `latest`: a reading up to which the database's clock was certainly not set forward since the kept reading;
    None: there is none to compare with.
    """

    passed: float  # seconds
    newest: datetime | None
    latest: datetime | None


class OwnClock:
    """A clock of this process, and the readings of the database's clock that it is compared with.

    `read` gives the seconds of a clock that nobody sets and that counts suspended time.
    """

    def __init__(self, read: Callable[[], float] = boot_time) -> None:
        self._read = read
        # The database's clock, and the own clock just before it was read.
        self._looked: tuple[datetime | None, float] = (None, 0.0)
        self._kept: tuple[datetime | None, float] = (None, 0.0)

    def look(self, at: datetime | None = None) -> Look:
        """Read both clocks, and compare them with the kept reading; `at` stands for the database's clock."""
        before = self.before(at)
        return self.compare(before, at or clock.read())

    def before(self, at: datetime | None = None) -> Before:
        """What is to be known before the database's clock is read, for `compare`.

        `at` stands for the database's clock.
        """
        (since, monotonic), own = self._kept, self._read()
        latest = since + timedelta(seconds=own - monotonic) + STEP if since else None
        return Before(own, None if at else clock.NEWEST.at, latest)

    def compare(self, before: Before, at: datetime) -> Look:
        """Compare `at`, a reading of the database's clock after `before`, with the kept reading.

        The time that passed is taken at its longest, so that an answer that came late is not taken for a
        step.
        """
        (since, monotonic), self._looked = self._kept, (at, before.passed)
        if since is None:
            return Look(at, newest=before.newest)
        passed = timedelta(seconds=(self._read() - monotonic) * (1 + SLEWED))
        return Look(at, since, passed, at - since - passed, before.newest)

    def keep(self) -> None:
        """Compare with the newest reading from now on, because what it showed has been dealt with."""
        self._kept = self._looked
        at, _ = self._looked
        if at and clock.NEWEST.at - at > STEP:
            clock.NEWEST.at = at
