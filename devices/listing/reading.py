"""Reading a list of devices: the rows behind a cursor, those pinned by UUID, or all rows in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from devices.clock import Moment
from devices.listing import index_scan
from devices.listing.branches import recorded
from devices.listing.cursor import Cursor, Moved, order_named
from devices.listing.filters import Filters, in_organizations, matching, matching_among, unchanging
from devices.models import Device
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import UNLISTED, as_recorded, moved_ids, with_status
from fleets.models import Organization
from fleets.postgres.keyset import Order, ordered
from fleets.postgres.name_order import NameKey

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # the sort key of a device without any contact


def whole(
    organizations: Iterable[Organization], filters: Filters, order: Order, at: Moment
) -> QuerySet[DeviceWithStatus]:
    """All devices of a list in order, with the sort keys of all orders: for exports and bulk actions."""
    return ordered(_with_sort_keys(matching(organizations, filters, at)), order)


def _with_sort_keys(devices: QuerySet[DeviceWithStatus]) -> QuerySet[DeviceWithStatus]:
    return devices.select_related("fleet").annotate(
        sort_name=NameKey("name"),
        sort_release=NameKey("release"),
        sort_contact=Coalesce("last_contact", Value(LONG_AGO)),
    )


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

    def take(self, order: Order, size: int, values: Sequence[Any] | None) -> list[DeviceWithStatus]:
        """The next `size` rows behind these sort keys, annotated as by with_status, with keys of all orders.

        `order` is the list's order, or its reverse; `values` None: from the beginning.
        """
        backwards = self.turned != (order != self.order)
        cursor = Cursor(self.name, backwards, values, size)
        ids, counts = index_scan.ids(self.recorded, self.corrections, cursor)
        self.counts = None if self.filters.statuses else counts
        found = {device.pk: device for device in self.read(Device.objects.filter(pk__in=ids))}
        return [found[pk] for pk in ids if pk in found]

    def read(self, devices: QuerySet[Device]) -> list[DeviceWithStatus]:
        """A few devices, annotated as by with_status, with the sort keys of all orders; in no order."""
        moved = devices.filter(pk__in=self.moved)
        querysets = [as_recorded(devices.exclude(pk__in=self.moved), self.at)]
        querysets += [with_status(moved, self.at)] if self.moved else []
        listed = (_with_sort_keys(queryset).defer(*UNLISTED).order_by() for queryset in querysets)
        return [device for queryset in listed for device in queryset]


def pinned(reading: Reading, uuids: Sequence[str]) -> list[DeviceWithStatus | str]:
    """The devices with these UUIDs, which a page shows, in that order; the UUID itself where one is gone.

    A device is gone if it was deleted, or left the list's organizations and fleets.
    """
    fleets = Filters(fleets=reading.filters.fleets)
    within = unchanging(in_organizations(reading.organizations), fleets)
    found = {device.uuid: device for device in reading.read(within.filter(uuid__in=uuids))}
    return [found.get(uuid, uuid) for uuid in uuids]
