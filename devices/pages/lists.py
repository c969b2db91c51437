"""What the Devices pages read: a page of what the filters name, facets, orders, and rows pinned by UUID."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, QuerySet, Value
from django.db.models.functions import Coalesce

from devices.models import Device
from devices.pages.filters import Filters, in_organizations, matching, unchanging
from devices.pages.keyset import Key, Order, ordered, page
from devices.pages.rows import Row, row_of
from devices.status import Status, behind, count_by_status, vocabulary, with_status
from fleets.models import Organization

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # stands for "no contact yet" where an order needs a time
PAGE_SIZES = (25, 50, 100)

# The orders by name; each ends in the id. A leading "-" in the address turns one around.
ORDERS: dict[str, Order] = {
    "attention": (Key("rank", int), Key("status_since", datetime, descending=True), Key("pk", int)),
    "name": (Key("name", str), Key("pk", int)),
    "contact": (Key("sort_contact", datetime, descending=True), Key("pk", int)),
    "release": (Key("release", str), Key("pk", int)),
}


def order_named(name: str) -> Order:
    """The order of that name, turned around by a leading "-"; raises KeyError."""
    if name.startswith("-"):
        return tuple(key.reversed() for key in ORDERS[name[1:]])
    return ORDERS[name]


def facets(organizations: Iterable[Organization], filters: Filters, at: datetime) -> dict[Status, int]:
    """A count per status as shown, under all the filters but that for the status."""
    filters = filters.without_statuses()
    if filters.of_the_present:
        live = matching(organizations, filters, at).order_by().values_list("status")
        return as_shown(dict.fromkeys(Status.values, 0) | dict(live.annotate(n=Count("*"))))
    return as_shown(count_by_status(unchanging(in_organizations(organizations), filters), at))


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
    organizations: Iterable[Organization],
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
    organizations = list(organizations)
    found = _with_sort_keys(matching(organizations, filters, at))
    fresh = page(found, order, size, after=after, before=before)
    rows: list[Device | str] = list(fresh.rows)
    if on_screen:
        within = unchanging(in_organizations(organizations), Filters(fleets=filters.fleets))
        rows = pinned(within, on_screen, at)
    counts = facets(organizations, filters, at)
    return Listing(
        rows=[row_of(row) for row in rows],
        counts=counts,
        total=sum(n for status, n in counts.items() if status in (filters.statuses or counts)),
        previous=fresh.previous,
        next=fresh.next,
        past_end=fresh.past_end,
        moved=bool(on_screen) and [device.uuid for device in fresh.rows] != list(on_screen),
    )


def whole(
    organizations: Iterable[Organization], filters: Filters, order: Order, at: datetime
) -> QuerySet[Any]:
    """The list that the pages show piece by piece, in one: for files and actions."""
    return ordered(_with_sort_keys(matching(organizations, filters, at)), order)


def _with_sort_keys(devices: QuerySet[Device]) -> QuerySet[Device]:
    return devices.select_related("fleet").annotate(sort_contact=Coalesce("last_contact", Value(LONG_AGO)))


def pinned(devices: QuerySet[Device], uuids: Sequence[str], at: datetime) -> list[Device | str]:
    """The rows that a page already shows, in its order, fresh; a bare UUID where its device is gone."""
    rows = with_status(devices.filter(uuid__in=uuids), at).select_related("fleet")
    found = {device.uuid: device for device in rows}
    return [found.get(uuid, uuid) for uuid in uuids]
