"""Devices as a list shows them: the values of their rows alone, read by SQL that is compiled once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from devices import clock
from devices.clock import Moment
from devices.models import Device
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import as_recorded, with_status
from fleets.postgres.fragment import compiled
from fleets.postgres.name_order import NameKey
from fleets.postgres.round_trip import rows_of_each

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)  # the sort key of a device without any contact
# A placeholder for the moment of a reading in compiled SQL, which no other moment there is near.
SOME_TIME: Final = datetime(2, 1, 1, tzinfo=UTC)
UNMOVED: Final = "devices_device.id <> ALL(%(moved)s)"
MOVED: Final = "devices_device.id = ANY(%(moved)s)"
FIELDS: Final = (
    *("pk", "uuid", "name", "fleet__slug", "fleet__name", "fleet__vpn_enabled", "status", "status_since"),
    *("stalled", "overdue", "vpn", "vpn_since", "vpn_enabled", "vpn_setting", "heartbeat", "heartbeat_since"),
    *("poll__last_poll_at", "poll__poll_interval", "last_contact", "progress_changed_at"),
    *("provisioning_state", "provisioning_progress", "update_status", "update_progress", "release"),
    *("target_release", "os_version", "ip_addresses", "public_address", "device_type", "supervisor_version"),
    *("notes", "created_at", "rank", "sort_name", "sort_release", "sort_contact", "tags"),
)


class Poll(NamedTuple):
    """The newest state poll of a device, and its interval in seconds."""

    last_poll_at: datetime
    poll_interval: int


class Listed(NamedTuple):
    """The values of a device's row as with_status annotates them, and the sort keys of all orders."""

    pk: int
    uuid: str
    name: str
    fleet_slug: str
    fleet_name: str
    fleet_vpn: bool | None  # `vpn_enabled` of its fleet
    status: str
    status_since: datetime
    stalled: bool
    overdue: bool
    vpn: bool
    vpn_since: datetime | None
    vpn_enabled: bool
    vpn_setting: bool | None
    heartbeat: str
    heartbeat_since: datetime | None
    polled_at: datetime | None
    poll_interval: int | None
    last_contact: datetime | None
    progress_changed_at: datetime | None
    provisioning_state: str
    provisioning_progress: int | None
    update_status: str
    update_progress: int | None
    release: str
    target_release: str
    os_version: str
    ip_addresses: list[str]
    public_address: str | None
    device_type: str
    supervisor_version: str
    notes: str
    created_at: datetime
    rank: int
    sort_name: str
    sort_release: str
    sort_contact: datetime
    tags: dict[str, Any]

    @property
    def vpn_unset(self) -> bool:
        """Whether its VPN is not used yet: neither the device nor its fleet sets it."""
        return not self.vpn_enabled and self.vpn_setting is None and self.fleet_vpn is None

    @property
    def last_poll(self) -> Poll | None:
        """Its newest poll; None before the first."""
        if self.polled_at is None or self.poll_interval is None:
            return None
        return Poll(self.polled_at, self.poll_interval)


def with_sort_keys(devices: QuerySet[DeviceWithStatus]) -> QuerySet[DeviceWithStatus]:
    """Annotated devices with the sort keys of all orders."""
    return devices.annotate(
        sort_name=NameKey("name"),
        sort_release=NameKey("release"),
        sort_contact=Coalesce("last_contact", Value(LONG_AGO)),
    )


def read_listed(which: str, params: dict[str, Any], at: Moment, moved: Sequence[int]) -> list[Listed]:
    """The devices that meet a condition, which are few; in no order, one round trip.

    `which` is SQL on columns of devices_device with named parameters. `moved`: the ids of all devices that
    moved; only they are not read as recorded.
    """
    kinds = ((as_recorded, UNMOVED), (with_status, MOVED))[: 2 if moved else 1]
    selects = [(_select(kind), other) for kind, other in kinds]
    statements = [f"{sql} WHERE {which} AND {other}" for (sql, _), other in selects]
    values = {name: value for (_, known), _ in selects for name, value in known.items()}
    now = {name: _at(value, at) for name, value in values.items()}
    found = rows_of_each(statements, {**params, **now, "moved": list(moved)})
    return [Listed._make((*row, json.loads(tags))) for rows in found for *row, tags in rows]


def _at(value: Any, at: Moment) -> Any:
    """A parameter of the compiled SQL, at this moment."""
    near = isinstance(value, datetime) and value.year < LONG_AGO.year
    return at.heard + (value - SOME_TIME) if near else value


@cache
def _select(annotated: Callable[[QuerySet[Device], Moment], Any]) -> tuple[str, dict[str, Any]]:
    """SQL that selects FIELDS of devices, up to its conditions, and its parameters by name."""
    devices = with_sort_keys(annotated(Device.objects.order_by(), clock.listened(SOME_TIME)))
    sql, params = compiled(devices.values_list(*FIELDS))
    names = [f"{annotated.__name__}_{number}" for number in range(len(params))]
    return sql % tuple(f"%({name})s" for name in names), dict(zip(names, params, strict=True))
