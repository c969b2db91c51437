"""The picture of how many devices had each status over a day, a week or a month: stacked areas and a table.

The areas have the statuses that need attention only, on a scale of their own; the table has all. It is read
from the hourly rollups in one query for any number of devices. Outages of ours are hatched, and so are those
of a source: over the whole height where they concern all devices of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection
from django.utils import timezone

from dashboard.pages.parts.chart import RANGES, Mark, Range, Scale, marks_of, span_words
from devices import words
from devices.clock import Moment
from devices.history import rollups
from devices.listing.facet_counts import as_shown
from devices.models.sources import SILENT
from devices.rules.vocabulary import WORST, Status, vocabulary
from fleets.models import Fleet, Organization

# Lengths in units of the SVG's view box.
WIDTH: Final = 1000  # stretched to the width of the page
HEIGHT: Final = 100.0
THINNEST: Final = 2.0  # the least height of a status that occurs
GAP: Final = 0.8  # between two areas
DRAWN: Final = tuple(WORST)  # the statuses that are drawn, from the bottom up; the others would dwarf them
TOPS: Final = (1, 2, 3, 4, 5, 6, 8, 10)  # a scale ends at one of these, times a power of ten
# By range: the time between two columns, and how many columns there are to a row of the table.
STEPS: Final = {
    "24h": (timedelta(hours=1), 1),
    "7d": (timedelta(hours=2), 12),
    "30d": (timedelta(hours=8), 3),
}

# Counts; outages of ours; and the times in which sources were not read, with their hosts.
READ: Final = f"""
SELECT at, NULL::timestamptz AS until, ARRAY[{rollups.columns("sum(counts[{n}])::bigint")}], '', true
FROM devices_fleettally WHERE {{whose}} AND at = ANY(%(moments)s) GROUP BY at
UNION ALL
SELECT began_at, ended_at, NULL, '', true
FROM devices_outage WHERE ended_at > %(start)s AND began_at < %(at)s
UNION ALL
SELECT unread.began_at, unread.ended_at, NULL, substring(s.address FROM '://(.*)'),
       %(fleet)s::bigint IS NOT NULL AND s.relay_host = ''
FROM devices_source s, LATERAL (
    SELECT began_at, ended_at FROM devices_sourceoutage o
    WHERE o.source_id = s.id AND o.ended_at > %(start)s AND o.began_at < %(at)s
    UNION ALL
    SELECT s.swept_at, NULL WHERE s.swept_at < %(at)s - %(silent)s
) AS unread WHERE {{sources}}
ORDER BY at
"""
OF_FLEET: Final = {
    "whose": "fleet_id = %(fleet)s",
    "sources": "s.id IN (SELECT source_id FROM devices_mirroredfleet WHERE fleet_id = %(fleet)s)",
}
OF_ORGANIZATIONS: Final = {
    "whose": "fleet_id IS NULL AND organization_id = ANY(%(owners)s)",
    "sources": "s.organization_id = ANY(%(owners)s)",
}


class Outage(NamedTuple):
    """An outage of ours, or of the source with this host; `ends` None: it lasts. `whole`: of all devices."""

    begins: datetime
    ends: datetime | None
    host: str = ""
    whole: bool = True


@dataclass(frozen=True)
class Column:
    """The counts by status at one moment, with its words and its position and width in per cent."""

    at: datetime
    counts: dict[Status, int]
    when: str
    x: str
    width: str

    @property
    def words(self) -> str:
        """The statuses that occurred at the moment with their numbers, as a sentence."""
        present = [f"{words.thousands(n)} {status.label}" for status, n in self.counts.items() if n]
        return f"{self.when}: {', '.join(present) or 'no devices'}"

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def drawn(self) -> dict[Status, int]:
        """The counts of the statuses that are drawn, from the bottom up."""
        return {status: self.counts[status] for status in DRAWN if status in self.counts}

    @property
    def moment(self) -> str:
        """The moment as a parameter of an address."""
        return address_of(self.at)


@dataclass(frozen=True)
class Area:
    """One status over the whole range, as the path of an SVG."""

    status: Status
    path: str


@dataclass(frozen=True)
class Unobserved(Mark):
    """A time for which nothing is known: of all devices (`whole`), or of those of a source."""

    whole: bool = True


@dataclass(frozen=True)
class OverTime:
    """The picture; it has no columns if nothing was counted yet. `words` sums it up in a sentence."""

    range: Range
    columns: tuple[Column, ...]
    areas: tuple[Area, ...]
    marks: tuple[Mark, ...]
    outages: tuple[Unobserved, ...]
    words: str

    @property
    def top(self) -> int:
        """The number of devices at the top of the scale: a round number not below any column."""
        return _top(self.columns)

    @property
    def newest(self) -> list[tuple[Status, int]]:
        """The newest counts of the statuses that are drawn."""
        return [(status, n) for status, n in self.columns[-1].drawn.items() if n or status in self._drawn]

    @property
    def others(self) -> list[tuple[Status, int]]:
        """The newest counts of the statuses that are not drawn."""
        return [(status, n) for status, n in self.columns[-1].counts.items() if n and status not in DRAWN]

    @property
    def _drawn(self) -> set[Status]:
        return {area.status for area in self.areas}

    @property
    def rows(self) -> list[tuple[Column, list[int]]]:
        """The rows of the table, newest first: a column, and its counts in the order of `statuses`."""
        columns = self.columns[::-1][:: STEPS[self.range.name][1]]
        return [(column, [column.counts[status] for status in self.statuses]) for column in columns]

    @property
    def statuses(self) -> list[Status]:
        """The statuses that occurred in the range, drawn or not."""
        return [item for item in vocabulary() if any(column.counts[item] for column in self.columns)]


def address_of(at: datetime) -> str:
    """A minute as a parameter of an address, in UTC: "2026-11-24T13:05Z"."""
    return at.astimezone(rollups.EPOCH.tzinfo).strftime("%Y-%m-%dT%H:%MZ")


def range_named(name: str) -> Range:
    """The range of that name, or a day if there is none."""
    return RANGES.get(name, RANGES["24h"])


def over_time(
    organizations: Sequence[Organization], period: Range, at: Moment, fleet: Fleet | None = None
) -> OverTime:
    """The picture of these organizations together, or of one fleet; it changes by hour, and with outages."""
    newest = rollups.floor(at.at)
    end = newest + rollups.EVERY
    scale, step = Scale(end - period.length, end, at.at), STEPS[period.name][0]
    moments = [*_every(step, scale.start, newest), newest]
    counted, outages = _read(organizations, fleet, moments, at)
    columns = tuple(_columns(moments, counted, scale))
    return OverTime(
        range=period,
        columns=columns,
        areas=tuple(_areas(moments, columns, scale)),
        marks=tuple(marks_of(period, scale)),
        outages=tuple(_unobserved(outage, scale) for outage in outages),
        words=_summary(columns),
    )


def _every(step: timedelta, start: datetime, until: datetime) -> list[datetime]:
    return [start + number * step for number in range(-((start - until) // step))]


def _read(
    organizations: Sequence[Organization], fleet: Fleet | None, moments: Sequence[datetime], at: Moment
) -> tuple[dict[datetime, dict[str, int]], list[Outage]]:
    """The counts by status at each of these moments that was counted, and the outages in between."""
    params: dict[str, Any] = {
        "fleet": fleet and fleet.pk,
        "owners": [organization.pk for organization in organizations],
        "moments": moments,
        "start": moments[0],
        "at": at.at,
        "silent": SILENT,
    }
    with connection.cursor() as cursor:
        cursor.execute(READ.format(**(OF_FLEET if fleet else OF_ORGANIZATIONS)), params)
        rows = cursor.fetchall()
    counted = {hour: dict(zip(Status.values, counts, strict=True)) for hour, _, counts, *_ in rows if counts}
    outages = [Outage(start, until, host, whole) for start, until, counts, host, whole in rows if not counts]
    ours = at.announced
    return counted, [*outages, Outage(ours.start, None)] if ours and ours.end is None else outages


def _columns(
    moments: Sequence[datetime], counted: Mapping[datetime, dict[str, int]], scale: Scale
) -> Iterable[Column]:
    for moment, until in zip(moments, [*moments[1:], scale.end], strict=True):
        if moment in counted:
            counts = as_shown(counted[moment])
            when, x, width = _clock(moment, scale.at), scale.x(moment), scale.width(moment, until)
            yield Column(moment, counts, when, x, width)


def _clock(moment: datetime, at: datetime) -> str:
    """A full hour in words, with its day if that is not today."""
    local = timezone.localtime(moment)
    today = local.date() == timezone.localdate(at)
    return (f"{local:%H:%M}" if today else f"{local.day} {local:%b %H:%M}") + words.told_apart(local)


def _top(columns: Sequence[Column]) -> int:
    most, power = max((sum(column.drawn.values()) for column in columns), default=0), 1
    while power * TOPS[-1] < most:
        power *= 10
    return next(power * top for top in TOPS if power * top >= most)


def _areas(moments: Sequence[datetime], columns: Sequence[Column], scale: Scale) -> Iterable[Area]:
    """The areas of the statuses that are drawn and occur, stacked from the bottom up, with a box per step."""
    top = _top(columns)
    ends = dict(zip(moments, [*moments[1:], scale.end], strict=True))
    levels = [_stacked(column.drawn, top) for column in columns]
    for position, status in enumerate(item for item in DRAWN if item in vocabulary()):
        boxes: list[tuple[float, float, float, float]] = []  # left, right, bottom, top
        for column, (below, above) in zip(
            columns, (level[position : position + 2] for level in levels), strict=True
        ):
            left, right = _units(scale, column.at), _units(scale, ends[column.at])
            if boxes and boxes[-1][1:] == (left, below, above) and above > below:
                boxes[-1] = (boxes[-1][0], right, below, above)
            elif above > below:
                boxes.append((left, right, below, above))
        if boxes:
            yield Area(status, "".join(_box(*box) for box in boxes))


def _box(left: float, right: float, bottom: float, top: float) -> str:
    return f"M{left:g} {HEIGHT - top + GAP:g}H{right:g}V{HEIGHT - bottom:g}H{left:g}z"


def _stacked(counts: Mapping[Status, int], top: int) -> list[float]:
    """The heights at which the statuses of a column begin, and at which the last one ends."""
    heights = [max(THINNEST, HEIGHT * n / top) if n else 0.0 for n in counts.values()]
    scale = min(1.0, HEIGHT / sum(heights)) if any(heights) else 0.0
    levels = [0.0]
    for height in heights:
        levels.append(round(levels[-1] + height * scale, 2))
    return levels


def _units(scale: Scale, moment: datetime) -> float:
    return round(WIDTH * ((moment - scale.start) / (scale.end - scale.start)), 1)


def _unobserved(outage: Outage, scale: Scale) -> Unobserved:
    start = max(outage.begins, scale.start)
    what = "Not observed" if outage.whole else f"Devices of {outage.host} not observed"
    said = span_words(what, outage.begins, outage.ends, scale.at)
    return Unobserved(scale.x(start), said, scale.width(start, outage.ends), outage.whole)


def _summary(columns: Sequence[Column]) -> str:
    """The picture in words: the smallest and the largest number of each status that occurs."""
    fragments = []
    for status in vocabulary():
        numbers = [column.counts[status] for column in columns]
        if any(numbers):
            least, most = (words.thousands(item) for item in (min(numbers), max(numbers)))
            fragments.append(f"{status.label} {least if least == most else f'{least} to {most}'}")
    return ", ".join(fragments)
