"""What the Devices pages read: what the filters name, facets, orders, and rows pinned by UUID."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from devices.models import Device
from devices.pages.keyset import Key, Order, page
from devices.pages.rows import Row, row_of
from devices.pages.search import search
from devices.status import (
    Status,
    behind,
    count_by_status,
    filter_by_status,
    vocabulary,
    with_status,
)
from fleets.models import Fleet, Organization

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # stands for "no contact yet" where an order needs a time
PAGE_SIZES = (25, 50, 100)

# The orders by name; each ends in the id. A leading "-" in the address turns one around.
ORDERS: dict[str, Order] = {
    "attention": (Key("rank", int), Key("status_since", datetime, descending=True), Key("pk", int)),
    "name": (Key("name", str), Key("pk", int)),
    "contact": (Key("sort_contact", datetime, descending=True), Key("pk", int)),
    "release": (Key("release", str), Key("pk", int)),
}


@dataclass(frozen=True)
class Filters:
    """What a Devices page is asked for, parsed: nothing in it is unknown."""

    fleets: Sequence[Fleet] = ()
    statuses: tuple[Status, ...] = ()
    text: str = ""

    @property
    def any(self) -> bool:
        return bool(self.fleets or self.statuses or self.text)

    def without_statuses(self) -> Filters:
        return replace(self, statuses=())


def order_named(name: str) -> Order:
    """The order of that name, turned around by a leading "-"; raises KeyError."""
    if name.startswith("-"):
        return tuple(key.reversed() for key in ORDERS[name[1:]])
    return ORDERS[name]


def in_organizations(organizations: Iterable[Organization]) -> QuerySet[Device]:
    """The devices of these organizations, which are the viewer's own (dashboard.pages.scope)."""
    return Device.objects.filter(organization__in=list(organizations))


def filtered(devices: QuerySet[Device], filters: Filters, at: datetime) -> QuerySet[Device]:
    """Those of `devices` that the filters name at `at`, with status and the keys of all orders."""
    devices = _unstatused(devices, filters)
    if filters.statuses:
        meant = [status for shown in filters.statuses for status in behind(shown)]
        devices = filter_by_status(devices, meant, at)
    else:
        devices = with_status(devices, at)
    return _with_sort_keys(devices)


def _unstatused(devices: QuerySet[Device], filters: Filters) -> QuerySet[Device]:
    if filters.fleets:
        devices = devices.filter(fleet__in=filters.fleets)
    return search(devices, filters.text)


def _with_sort_keys(devices: QuerySet[Device]) -> QuerySet[Device]:
    return devices.select_related("fleet").annotate(sort_contact=Coalesce("last_contact", Value(LONG_AGO)))


def facets(devices: QuerySet[Device], filters: Filters, at: datetime) -> dict[Status, int]:
    """A count per status as shown, under all the filters but that for the status."""
    return as_shown(count_by_status(_unstatused(devices, filters), at))


def as_shown(counts: dict[str, int]) -> dict[Status, int]:
    """Counts per status folded into the statuses that are shown, in their order."""
    return {status: sum(counts[each] for each in behind(status)) for status in vocabulary()}


@dataclass(frozen=True)
class Listing:
    """One page of a list as it is shown; `moved`: a fresh list would have other rows or another order."""

    rows: list[Row]
    counts: dict[Status, int]
    total: int
    previous: str | None
    next: str | None
    past_end: bool
    moved: bool


def listing(
    devices: QuerySet[Device],
    filters: Filters,
    order: Order,
    size: int,
    at: datetime,
    *,
    after: str = "",
    before: str = "",
    on_screen: Sequence[str] = (),
) -> Listing:
    """The page after or before a cursor; with the UUIDs `on_screen`, those rows in that order.

    Raises keyset.UnreadableCursor.
    """
    fresh = page(filtered(devices, filters, at), order, size, after=after, before=before)
    rows: list[Device | str] = pinned(devices, on_screen, at) if on_screen else list(fresh.rows)
    counts = facets(devices, filters, at)
    return Listing(
        rows=[row_of(row) for row in rows],
        counts=counts,
        total=sum(n for status, n in counts.items() if status in (filters.statuses or counts)),
        previous=fresh.previous,
        next=fresh.next,
        past_end=fresh.past_end,
        moved=bool(on_screen) and [device.uuid for device in fresh.rows] != list(on_screen),
    )


def pinned(devices: QuerySet[Device], uuids: Sequence[str], at: datetime) -> list[Device | str]:
    """The rows that a page already shows, in its order, fresh; a bare UUID where its device is gone."""
    rows = with_status(devices.filter(uuid__in=uuids), at).select_related("fleet")
    found = {device.uuid: device for device in rows}
    return [found.get(uuid, uuid) for uuid in uuids]
