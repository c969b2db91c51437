"""When a maintenance window lasts: wall times that may recur, each placed by the rules of its day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from devices.alerts.wall_time import placed
from devices.models import MaintenanceWindow

LONGEST: Final = timedelta(days=30)  # an occurrence
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MARGIN: Final = LONGEST + timedelta(days=2)  # of wall time, before the moment that is asked for
MOST: Final = 5_000  # wall times looked at: a window that recurs for ever ends nowhere

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY"]


@dataclass(frozen=True)
class Occurrence:
    """One time that a window lasts, from `start` until before `end`."""

    start: datetime
    end: datetime


def rule(
    frequency: Frequency, *, interval: int = 1, weekday: int | None = None, week: int = 0, until: date | None
) -> str:
    """An RRULE over wall time (RFC 5545). `week`: which one of a month, -1 the last; 0: each."""
    parts = [f"FREQ={frequency}", f"INTERVAL={interval}"]
    if weekday is not None:
        parts.append(f"BYDAY={week or ''}{WEEKDAYS[weekday]}")
    if until:
        parts.append(f"UNTIL={datetime.combine(until, time.max):%Y%m%dT%H%M%S}")
    return ";".join(parts)


def occurrences(window: MaintenanceWindow, after: datetime) -> Iterator[Occurrence]:
    """Those that end after this moment, in order; cut short where it was ended early or cancelled."""
    zone = ZoneInfo(window.zone)
    starts, ends = datetime.fromisoformat(window.starts), datetime.fromisoformat(window.ends)
    for wall in _walls(window.recurrence, starts, after.astimezone(zone).replace(tzinfo=None) - MARGIN):
        start, end = placed(wall, zone), placed(wall + (ends - starts), zone)
        if window.cancelled_at and start >= window.cancelled_at:
            return
        for early in (window.ended_at, window.cancelled_at):
            end = early if early and start <= early < end else end
        if end > max(start, after):
            yield Occurrence(start, end)


def _walls(recurrence: str, starts: datetime, after: datetime) -> Iterator[datetime]:
    if not recurrence:
        yield starts
        return
    rrule = rrulestr(recurrence, dtstart=starts)
    for _, wall in zip(range(MOST), rrule.xafter(max(after, starts), inc=True), strict=False):
        yield wall


def current(window: MaintenanceWindow, at: datetime) -> Occurrence | None:
    """The occurrence that lasts at this moment; None: none does."""
    found = next(occurrences(window, at), None)
    return found if found and found.start <= at else None
