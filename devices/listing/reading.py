"""What the Devices pages read: a page of what the filters name, facets, and rows pinned by UUID."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from dashboard.pages.parts.device_row import Row, row_of
from devices import clock
from devices.history.flapping import unstable_links
from devices.listing import index_scan
from devices.listing.branches import recorded
from devices.listing.facet_counts import facets
from devices.listing.filters import Filters, in_organizations, matching, matching_of, unchanging
from devices.listing.index_scan import ORDERS, Moved, Place
from devices.models import Device
from devices.rules.vocabulary import Status, vocabulary
from devices.status.reading import as_recorded, moved_ids, with_status
from fleets.models import Organization
from fleets.postgres.keyset import Order, ordered, page_of
from fleets.postgres.name_order import NameKey

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # stands for "no contact yet" where an order needs a time
PAGE_SIZES = (25, 50, 100)


@dataclass(frozen=True)
class Listing:
    """One page of a list as it is shown; `moved`: a fresh list would have other rows or another order.

    `counts` per status are None where counting takes longer than a page may.
    """

    rows: list[Row]
    counts: dict[Status, int] | None
    statuses: tuple[Status, ...]  # that the list is about; none: all
    previous: str | None
    next: str | None
    past_end: bool
    moved: bool

    @property
    def total(self) -> int | None:
        counts = self.counts
        return None if counts is None else sum(counts[status] for status in self.statuses or counts)

    @property
    def facets(self) -> list[tuple[Status, int | None]]:
        """All statuses with their counts, known or not."""
        return [(status, None if self.counts is None else self.counts[status]) for status in vocabulary()]


def counted(found: Listing, organizations: Iterable[Organization], filters: Filters, at: datetime) -> Listing:
    """The same with its counts, however long they take."""
    at = clock.heard(at)
    ids = moved_ids(at)
    return replace(found, counts=facets(list(organizations), filters, at, ids, always=True))


def listing(
    organizations: Iterable[Organization],
    filters: Filters,
    sort: str,
    size: int,
    at: datetime,
    *,
    after: str = "",
    before: str = "",
    on_screen: Sequence[str] = (),
) -> Listing:
    """The page after or before a cursor; with the UUIDs `on_screen`, those rows in that order.

    `sort` is a key of ORDERS, a leading "-" turns it around. Raises keyset.UnreadableCursor.
    """
    reading = Reading(list(organizations), filters, sort, at)
    fresh = page_of(reading.take, reading.order, size, after=after, before=before)
    moved = bool(on_screen) and [device.uuid for device in fresh.rows] != list(on_screen)
    rows = pinned(reading, on_screen) if moved else list(fresh.rows)
    return Listing(
        rows=_rows(rows, at),
        counts=facets(reading.organizations, filters, reading.at, reading.moved, counts=reading.counts),
        statuses=filters.statuses,
        previous=fresh.previous,
        next=fresh.next,
        past_end=fresh.past_end,
        moved=moved,
    )


def _rows(found: Sequence[Any], at: datetime) -> list[Row]:
    unstable = unstable_links([each for each in found if not isinstance(each, str)], at)
    return [row_of(each, "" if isinstance(each, str) else unstable.get(each.pk, "")) for each in found]


def whole(
    organizations: Iterable[Organization], filters: Filters, order: Order, at: datetime
) -> QuerySet[Any]:
    """The list that the pages show piece by piece, in one: for files and actions."""
    return ordered(_with_sort_keys(matching(organizations, filters, at)), order)


def _with_sort_keys(devices: QuerySet[Device]) -> QuerySet[Device]:
    return devices.select_related("fleet").annotate(
        sort_name=NameKey("name"),
        sort_release=NameKey("release"),
        sort_contact=Coalesce("last_contact", Value(LONG_AGO)),
    )


class Reading:
    """A list at one moment: what is recorded, and the few devices that are not as they are recorded."""

    def __init__(self, organizations: list[Organization], filters: Filters, sort: str, at: datetime) -> None:
        at = clock.heard(at)
        self.organizations, self.filters, self.at = organizations, filters, at
        self.name, self.turned = sort.removeprefix("-"), sort.startswith("-")
        self.order = order_named(sort)
        self.moved = moved_ids(at)
        self.recorded = recorded(organizations, filters, at, self.moved)
        self.counts: Counter[str] | None = None  # of what is recorded in the whole list, where it is known
        self.corrections = list(self._corrections()) if self.moved else []

    def _corrections(self) -> Iterable[Moved]:
        """Those of the moved devices that the list has."""
        among = in_organizations(self.organizations).filter(pk__in=self.moved)
        rows = matching_of(among, self.filters, self.at).order_by()
        return (Moved(*row) for row in rows.values_list("pk", "rank", "status_since"))

    def take(self, order: Order, size: int, values: Sequence[Any] | None) -> list[Any]:
        """The next rows behind these values, annotated as by with_status, with the keys of all orders."""
        backwards = self.turned != (order != self.order)
        place = Place(self.name, backwards, values, size)
        ids, counts = index_scan.ids(self.recorded, self.corrections, place)
        self.counts = None if self.filters.statuses else counts
        found = {device.pk: device for device in self.read(Device.objects.filter(pk__in=ids))}
        return [found[pk] for pk in ids if pk in found]

    def read(self, devices: QuerySet[Device]) -> list[Any]:
        """A few devices annotated as by with_status, with the keys of all orders; in no order."""
        moved = devices.filter(pk__in=self.moved)
        parts = [as_recorded(devices.exclude(pk__in=self.moved), self.at)]
        parts += [with_status(moved, self.at)] if self.moved else []
        return [device for part in parts for device in _with_sort_keys(part).order_by()]


def order_named(name: str) -> Order:
    """The order of that name, turned around by a leading "-"; raises KeyError."""
    if name.startswith("-"):
        return tuple(key.reversed() for key in ORDERS[name[1:]])
    return ORDERS[name]


def pinned(reading: Reading, uuids: Sequence[str]) -> list[Device | str]:
    """The rows that a page already shows, in its order, fresh; a bare UUID where its device is gone."""
    fleets = Filters(fleets=reading.filters.fleets)
    within = unchanging(in_organizations(reading.organizations), fleets)
    found = {device.uuid: device for device in reading.read(within.filter(uuid__in=uuids))}
    return [found.get(uuid, uuid) for uuid in uuids]
