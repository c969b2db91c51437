"""Saved views, where alerts ask which devices they list."""

from __future__ import annotations

from collections.abc import Collection

from devices.clock import Moment
from devices.listing.filters import matching_among
from devices.listing.kept_list import Unreadable, read_for_work, resolved
from devices.models import Device, SavedView
from fleets.models import Organization


def listed(
    view: SavedView, organization: Organization, at: Moment, among: Collection[int] | None = None
) -> set[int]:
    """The organization's devices that a view lists now, by primary key; `among`: only of these.

    None where it cannot be read, or a fleet that it names is gone: never all devices.
    """
    notices: list[str] = []
    try:
        filters = resolved(read_for_work(view.kept).filters, [organization], notices)
    except Unreadable:
        return set()
    if notices:
        return set()
    devices = Device.objects.filter(organization=organization)
    chosen = devices if among is None else devices.filter(pk__in=among)
    return set(matching_among(chosen, filters, at).order_by().values_list("pk", flat=True))
