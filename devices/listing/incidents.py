"""The lines of the Attention page: the newest devices that need attention, those lost together as one line.

devices/listing/grouping.py groups them. Devices that are flapping, and those that have needed attention for
less than a minute, are listed separately: a list in which these come and go cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Final

from django.db import connection

from devices.clock import Moment
from devices.listing.among import Among
from devices.listing.grouping import EPOCH, Grouping, Line, Lost, by_tag, grouped
from devices.listing.kept_lines import KEPT
from devices.listing.trouble import Newest, read_trouble
from devices.status.reading import moved_ids
from fleets.postgres.keyset import Key, Order, Page, page_of, reverse

YOUNG: Final = timedelta(minutes=1)  # a device that has needed attention for less is listed separately
# The orders by name. A leading "-" in the address reverses one.
ORDERS: Final[dict[str, Order]] = {
    "attention": (Key("rank", int), Key("newest", datetime, descending=True), Key("id", str)),
    "since": (Key("first", datetime, descending=True), Key("id", str)),
    "devices": (
        Key("number", int, descending=True),
        Key("newest", datetime, descending=True),
        Key("id", str),
    ),
}


@dataclass(frozen=True)
class Attended:
    """The devices that need attention, as they were read, and their lines."""

    newest: Newest = field(default_factory=Newest)  # all of them, or so many as a page looks at
    lines: Sequence[Line] = ()  # without those of `young`
    young: Sequence[Lost] = ()  # those that have needed attention for less than YOUNG

    @property
    def lost(self) -> Sequence[Lost]:
        """The devices that were read, the newest first."""
        return self.newest.lost

    @property
    def exact(self) -> bool:
        """Whether all devices that need attention were read."""
        return self.newest.exact

    def page(self, sort: str, size: int, *, after: str = "", before: str = "") -> Page[Any]:
        """A page of `size` lines in the order `sort`; `after`, `before`: cursors. Raises UnreadableCursor."""
        order = ORDERS[sort.removeprefix("-")]
        order = reverse(order) if sort.startswith("-") else order
        return page_of(self._take, order, size, after=after, before=before)

    def named(self, ids: Sequence[str]) -> list[Line]:
        """The lines with these ids, in that order, without those that no longer exist: for a refresh."""
        return [self._by_id[pk] for pk in ids if pk in self._by_id]

    @cached_property
    def _by_id(self) -> Mapping[str, Line]:
        return {line.id: line for line in self.lines}

    def _take(self, order: Order, size: int, values: list[Any] | None) -> list[Line]:
        found = list(self.lines)
        for key in reversed(order):
            found.sort(key=attrgetter(key.name), reverse=key.descending)
        if values:
            found = [line for line in found if _behind(line, order, values)]
        return found[:size]


def attended(
    among: Among,
    at: Moment,
    moved: Sequence[int] | None = None,
    *,
    by: str = "",
    without: Collection[int] = (),
) -> Attended:
    """The devices in the scope `among` that need attention at `at`, as lines, but for the ids `without`.

    `by`: lines are grouped by the tag with this key, else by what was lost together. `moved`: the ids of all
    devices that moved, if the caller has read them.
    """
    moved = moved_ids(at) if moved is None else moved

    def group(read: Newest, before: Grouping | None) -> Grouping:
        lost = [item for item in read.lost if item.id not in without]
        return by_tag(lost, by) if by else grouped(lost, fleet_sizes, before)

    if moved:
        read = read_trouble(among, at, moved)
        lines = group(read, None).lines
    else:
        owners = tuple(organization.pk for organization in among.organizations)
        key = (owners, among.filters, at.heard if at.in_outage else None)
        read, grouping = KEPT.grouped(
            key, (by, frozenset(without)), owners, at.at, partial(read_trouble, among, at, ()), group
        )
        lines = grouping.lines
    moment = (at.at - YOUNG - EPOCH) // timedelta(microseconds=1)
    young = [line for line in lines if line.began > moment]
    recent = {line.id for line in young}
    return Attended(
        newest=read,
        lines=[line for line in lines if line.id not in recent],
        young=list({item.id: item for line in young for item in line.lost}.values()),
    )


SIZES: Final = """
SELECT fleet_id, sum(number)::bigint FROM devices_fleetcount WHERE fleet_id = ANY(%s) GROUP BY fleet_id
"""


def fleet_sizes(fleets: Collection[int]) -> Mapping[int, int]:
    """How many devices these fleets have, by the counters."""
    with connection.cursor() as cursor:
        cursor.execute(SIZES, [list(fleets)])
        return dict(cursor.fetchall())


def _behind(line: Line, order: Order, values: Sequence[Any]) -> bool:
    """Whether a line is behind the line with these sort keys, in this order."""
    for key, value in zip(order, values, strict=True):
        own = getattr(line, key.name)
        if own != value:
            return bool((own > value) != key.descending)
    return False
