"""A page of the Devices list as values: its rows, or those on screen, and its counts by status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard.pages.parts.device_row import Row, row_of
from devices.clock import Moment
from devices.history.flapping import flapping_links
from devices.listing.facet_counts import facets
from devices.listing.filters import Filters
from devices.listing.listed import Listed
from devices.listing.reading import Reading, pinned
from devices.rules.vocabulary import Status, vocabulary
from devices.status.reading import moved_ids
from fleets.models import Organization
from fleets.postgres.keyset import page_of

PAGE_SIZES = (25, 50, 100)


@dataclass(frozen=True)
class Listing:
    """A page of a list; `moved`: a reload would show other rows or another order.

    `counts` by status are None if counting takes longer than a page may.
    """

    rows: list[Row]
    counts: dict[Status, int] | None
    statuses: tuple[Status, ...]  # the statuses that the list is filtered by; none: all
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


def counted(found: Listing, organizations: Iterable[Organization], filters: Filters, at: Moment) -> Listing:
    """The page with its counts by status, however long counting takes."""
    ids = moved_ids(at)
    return replace(found, counts=facets(list(organizations), filters, at, ids, always=True))


def listing(
    organizations: Iterable[Organization],
    filters: Filters,
    sort: str,
    size: int,
    at: Moment,
    *,
    after: str = "",
    before: str = "",
    on_screen: Sequence[str] = (),
) -> Listing:
    """The page of at most `size` rows after or before a cursor, else the first page.

    `sort` is a key of ORDERS; a leading "-" reverses it. With the UUIDs `on_screen` the page has those rows
    in that order, and `moved` tells if they differ. Raises keyset.UnreadableCursor.
    """
    reading = Reading(list(organizations), filters, sort, at)
    fresh = page_of(reading.take, reading.order, size, after=after, before=before)
    moved = bool(on_screen) and [device.uuid for device in fresh.rows] != list(on_screen)
    rows = pinned(reading, on_screen) if moved else list(fresh.rows)
    return Listing(
        rows=_rows(rows, at.at),
        counts=facets(reading.organizations, filters, reading.at, reading.moved, counts=reading.counts),
        statuses=filters.statuses,
        previous=fresh.previous,
        next=fresh.next,
        past_end=fresh.past_end,
        moved=moved,
    )


def _rows(found: Sequence[Listed | str], at: datetime) -> list[Row]:
    unstable = flapping_links([device for device in found if not isinstance(device, str)], at)
    return [
        row_of(device, "" if isinstance(device, str) else unstable.get(device.pk, "")) for device in found
    ]
