"""The devices that a rule or a maintenance window is about: filters of the Devices page, but for statuses.

They are asked of each device at each moment, so a device that moves in is covered from then on.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from devices.listing.filters import Filters, described, unchanging
from devices.listing.kept_list import KeptFilters, resolved
from devices.models import Device
from fleets.postgres.expressions import among

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

    from devices.models import AlertRule
    from fleets.models import Organization


class Broken(ValueError):
    """What a scope names is gone, or cannot be read: it covers no device. The text says what."""


class OfThePresent(ValueError):
    """A scope asks for a status, a link or a silence, which belong to the condition."""


def stored(kept: KeptFilters) -> dict[str, Any]:
    """Filters as JSON has them; {}: all devices. Raises OfThePresent."""
    if kept.statuses or kept.vpn or kept.heartbeat or kept.silent is not None:
        raise OfThePresent
    asked, usual = (msgspec.json.decode(msgspec.json.encode(filters)) for filters in (kept, KeptFilters()))
    return {name: value for name, value in asked.items() if value != usual[name]}


def kept_filters(scope: object) -> KeptFilters:
    """The other way round. Raises Broken."""
    try:
        return msgspec.convert(scope, type=KeptFilters)
    except msgspec.ValidationError as error:
        raise Broken(f"Its filter cannot be read: {error}.") from error


def filters_of(scope: object, organization: Organization) -> Filters:
    """What a stored scope means now. Raises Broken where a fleet of it is gone: never all devices."""
    notices: list[str] = []
    filters = resolved(kept_filters(scope), [organization], notices)
    if notices:
        raise Broken(notices[0].removesuffix(" It was ignored."))
    return filters


def covered(devices: QuerySet[Device], scope: object, organization: Organization) -> QuerySet[Device]:
    """Those of `devices` that the scope covers. Raises Broken."""
    return unchanging(devices, filters_of(scope, organization))


class Asked:
    """Some devices of an organization, by primary key: rules there ask which of them they are about."""

    def __init__(self, organization: int, devices: Collection[int]) -> None:
        self._mine = Device.objects.filter(among("pk", devices), organization=organization).order_by()

    @cached_property
    def _by_fleet(self) -> dict[int, set[int]]:
        """Read once for all rules: most are about fleets, and devices may be many."""
        found: dict[int, set[int]] = defaultdict(set)
        for device, fleet in self._mine.values_list("pk", "fleet"):
            found[fleet].add(device)
        return found

    def within(self, rule: AlertRule) -> set[int] | None:
        """Which of them a rule is about; None: all. One that cannot be read is about none."""
        if not rule.scope:
            return None
        try:
            filters = filters_of(rule.scope, rule.organization)
        except Broken:
            return set()
        fleets = [fleet.pk for fleet in filters.fleets] or list(self._by_fleet)
        inside = set().union(*(self._by_fleet.get(fleet, ()) for fleet in fleets))
        if inside and described(filters):
            devices = Device.objects.filter(among("pk", inside)).order_by()
            return set(unchanging(devices, filters).values_list("pk", flat=True))
        return inside
