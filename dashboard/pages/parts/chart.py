"""The time axis of pictures over time: ranges, the position of a moment, and the marks of the axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from devices import words

NARROWEST: Final = 0.25  # per cent of the width: shorter spans are drawn as wide as this


@dataclass(frozen=True)
class Range:
    """A time to look back: its name in addresses, its words, its length and its number of buckets.

    `step` is how often its end advances, so that a picture stays the same in between.
    """

    name: str
    words: str
    length: timedelta
    buckets: int
    step: timedelta
    tick: timedelta  # between two marks of the axis

    def end(self, at: datetime) -> datetime:
        return ceiling(at, self.step)

    def start(self, at: datetime) -> datetime:
        return self.end(at) - self.length


RANGES: Final = {
    item.name: item
    for item in (
        Range("24h", "24 h", timedelta(hours=24), 288, timedelta(minutes=1), timedelta(hours=4)),
        Range("7d", "7 d", timedelta(days=7), 84, timedelta(minutes=10), timedelta(days=1)),
        Range("30d", "30 d", timedelta(days=30), 90, timedelta(hours=1), timedelta(days=5)),
    )
}


@dataclass(frozen=True)
class Mark:
    """A labelled position on the axis in per cent, or, with a `width`, a span that was not observed."""

    x: str
    words: str
    width: str = ""


@dataclass(frozen=True)
class Scale:
    """The scale of a picture from `start` to `end`: positions are texts in per cent. `at` is the present."""

    start: datetime
    end: datetime
    at: datetime

    def x(self, moment: datetime) -> str:
        return f"{self._share(moment):.3f}%"

    def width(self, start: datetime, end: datetime | None) -> str:
        """The width of a span; one that has not ended reaches to the right edge."""
        until = self.end if end is None or end >= self.at else end
        return f"{max(NARROWEST, self._share(until) - self._share(start)):.3f}%"

    def _share(self, moment: datetime) -> float:
        return 100 * ((moment - self.start) / (self.end - self.start))


def span_words(what: str, start: datetime, end: datetime | None, at: datetime) -> str:
    """A span in words; one that lasts has no duration, which would change at each refresh."""
    if end is None or end >= at:
        return f"{what} since {words.clock(start, at)}"
    return f"{what}, {words.clock(start, at)} to {words.clock(end, at)} ({words.duration(end - start)})"


def marks_of(period: Range, scale: Scale) -> Iterable[Mark]:
    """The marks at round times of the viewer's time zone, but for those whose words would cross an edge."""
    local = timezone.localtime(scale.start)
    moment = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while moment < scale.end:
        if scale.start + period.length * 0.03 < moment < scale.end - period.length * 0.07:
            midnight = moment.hour == 0
            yield Mark(scale.x(moment), f"{moment:%a} {moment.day}" if midnight else f"{moment:%H:%M}")
        moment = timezone.make_aware(moment.replace(tzinfo=None) + period.tick)


def ceiling(at: datetime, step: timedelta) -> datetime:
    """The moment rounded up to a multiple of `step` since 1970."""
    since = timedelta(seconds=at.timestamp())
    return at + (-since % step)
