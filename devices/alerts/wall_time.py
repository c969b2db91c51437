"""Wall time of a zone as moments, over the days on which its clocks are set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# A day of the week (Monday is 0), and from when until when, in minutes of its wall time; 1440: its end.
Weekly = Sequence[tuple[int, int, int]]

DAY: Final = timedelta(days=1)
END_OF_DAY: Final = 24 * 60


def placed(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clocks of the zone show this (a datetime without a zone).

    An hour that comes twice is the first one; a time that is skipped is the moment at which it is skipped.
    """
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if before.astimezone(zone).replace(tzinfo=None) == wall:
        return before
    return _transition(after, before, zone)


def _transition(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """When the zone's offset changes between two moments, to the second."""
    offset = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == offset else (early, middle)
    return late


def inside(weekly: Weekly, zone: ZoneInfo, at: datetime) -> bool:
    """Whether the moment lies in one of these intervals; they include their start and exclude their end."""
    return any(start <= at < end for start, end in _near(weekly, zone, at))


def next_change(weekly: Weekly, zone: ZoneInfo, at: datetime) -> datetime | None:
    """The next moment at which `inside` changes, within eight days; None: it does not."""
    now = inside(weekly, zone, at)
    edges = sorted({edge for span in _near(weekly, zone, at) for edge in span if edge > at})
    return next((edge for edge in edges if inside(weekly, zone, edge) != now), None)


def _near(weekly: Weekly, zone: ZoneInfo, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The intervals from the day before this moment until eight days after it."""
    today = at.astimezone(zone).date()
    for number in range(-1, 9):
        day = today + number * DAY
        for weekday, start, end in weekly:
            if weekday == day.weekday():
                yield placed(_wall(day, start), zone), placed(_wall(day, end), zone)


def _wall(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minutes)
