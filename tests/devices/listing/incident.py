"""Devices in trouble, and the lines that they make."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dashboard.pages.attention.item import Item
from dashboard.pages.attention.items import items
from devices import clock
from devices.listing.among import Among
from devices.listing.grouping import Line
from devices.listing.incidents import attended
from devices.listing.trouble import Newest
from devices.models import Device
from devices.status.reading import moved_ids
from fleets.models import Fleet, Organization
from tests.factories import T0, make_device, seconds

AT = T0 + seconds(3600)


def lost_vpn(fleet: Fleet, after: float, **fields: Any) -> Device:
    """A device that lost its VPN so many seconds after T0 and kept the heartbeat."""
    return make_device(
        fleet,
        vpn_changed_at=T0 + seconds(after),
        recorded_status_at=T0 + seconds(after),
        heartbeat_state="recent",
        heartbeat_changed_at=T0,
        **fields,
    )


def everybody() -> Among:
    return Among(list(Organization.objects.all()))


def found(size: int = 50) -> list[Line]:
    return list(attended(everybody(), clock.moment(AT)).page("attention", size).rows)


def shown_of(some: list[Line], at: datetime = AT, newest: Newest | None = None) -> list[Item]:
    known = clock.moment(at)
    return items(some, everybody(), known, moved_ids(known), newest)


A: dict[str, Any] = {"public_address": "203.0.113.7"}
SITE: dict[str, Any] = {"tags": {"site": "harbour"}}
NEW, OLD = {"release": "2.0"}, {"release": "1.0"}
