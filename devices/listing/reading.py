"""Reading a list of devices: the rows behind a cursor, those pinned by UUID, or all rows in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from devices.clock import Moment
from devices.listing import index_scan
from devices.listing.branches import recorded
from devices.listing.cursor import Cursor, Moved, order_named
from devices.listing.filters import Filters, in_organizations, matching, matching_among
from devices.listing.listed import Listed, read_listed, with_sort_keys
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import moved_ids
from fleets.models import Organization
from fleets.postgres.keyset import Order, ordered

THESE = "devices_device.id = ANY(%(ids)s::bigint[])"


def whole(
    organizations: Iterable[Organization], filters: Filters, order: Order, at: Moment
) -> QuerySet[DeviceWithStatus]:
    """All devices of a list in order, with the sort keys of all orders: for exports and bulk actions."""
    return ordered(with_sort_keys(matching(organizations, filters, at).select_related("fleet")), order)


class Reading:
    """A list at one moment: its recorded rows, and the few devices that moved.

    `sort` is a name of ORDERS, with a leading "-" if reversed.
    """

    def __init__(self, organizations: list[Organization], filters: Filters, sort: str, at: Moment) -> None:
        self.organizations, self.filters, self.at = organizations, filters, at
        self.name, self.turned = sort.removeprefix("-"), sort.startswith("-")
        self.order = order_named(sort)
        self.moved = moved_ids(at)
        self.recorded = recorded(organizations, filters, at, self.moved)
        self.counts: Counter[str] | None = None  # recorded devices of the whole list by status, where known
        self.corrections = list(self._corrections()) if self.moved else []

    def _corrections(self) -> Iterable[Moved]:
        """Those of the devices that moved that match the list's filters."""
        among = in_organizations(self.organizations).filter(pk__in=self.moved)
        rows = matching_among(among, self.filters, self.at).order_by()
        return (Moved(*row) for row in rows.values_list("pk", "rank", "status_since"))

    def take(self, order: Order, size: int, values: Sequence[Any] | None) -> list[Listed]:
        """The next `size` rows behind these sort keys.

        `order` is the list's order, or its reverse; `values` None: from the beginning.
        """
        backwards = self.turned != (order != self.order)
        cursor = Cursor(self.name, backwards, values, size)
        ids, counts = index_scan.ids(self.recorded, self.corrections, cursor)
        self.counts = None if self.filters.statuses else counts
        read = read_listed(THESE, {"ids": ids}, self.at, self.moved) if ids else []
        found = {device.pk: device for device in read}
        return [found[pk] for pk in ids if pk in found]


def pinned(reading: Reading, uuids: Sequence[str]) -> list[Listed | str]:
    """The devices with these UUIDs, which a page shows, in that order; the UUID itself where one is gone.

    A device is gone if it was deleted, or left the list's organizations and fleets.
    """
    which = (
        f"devices_device.uuid = ANY(%(uuids)s) AND devices_device.{reading.recorded.column} = ANY(%(scope)s)"
    )
    params = {"uuids": list(uuids), "scope": reading.recorded.scope}
    read = read_listed(which, params, reading.at, reading.moved)
    found = {device.uuid: device for device in read}
    return [found.get(uuid, uuid) for uuid in uuids]
