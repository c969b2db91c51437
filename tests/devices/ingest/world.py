"""Two organizations with their keys, and what the database holds of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from devices import keys
from devices.models import Device
from fleets.models import Fleet, Organization

TABLES = (
    "devices_device",
    "devices_heartbeat",
    "devices_vpnserver",
    "devices_connectivityrecord",
    "devices_statuschange",
    "devices_apikey",
)
ADDRESS = "198.51.100.1"  # from which raw calls come
KEEP_POLLING = "UPDATE devices_heartbeat SET last_poll_at = last_poll_at - interval '1 second'"


@dataclass(frozen=True)
class World:
    """Ours, with a fleet, a device and all three keys; theirs, with a device and a service key."""

    organization: Organization
    fleet: Fleet
    device: Device
    device_key: str
    provisioning_key: str
    service_key: str
    stranger: Device
    foreign_service_key: str


def make_world() -> World:
    ours, theirs = (Organization.objects.create(name=slug, slug=slug) for slug in ("ours", "theirs"))
    fleet = Fleet.objects.create(
        organization=ours, name="Kiosks", slug="kiosks", poll_interval=300, vpn_enabled=True
    )
    far = Fleet.objects.create(organization=theirs, name="Buoys", slug="buoys", vpn_enabled=True)
    device = make_device(fleet, "a")
    return World(
        organization=ours,
        fleet=fleet,
        device=device,
        device_key=keys.new_device_key(device),
        provisioning_key=keys.new_provisioning_key(fleet),
        service_key=keys.new_service_key(ours),
        stranger=make_device(far, "b"),
        foreign_service_key=keys.new_service_key(theirs),
    )


def make_device(fleet: Fleet, digit: str, **facts: Any) -> Device:
    return Device.objects.create(
        fleet=fleet,
        organization=fleet.organization,
        uuid=digit * 32 if len(digit) == 1 else digit,
        **({"is_active": True} | facts),
    )


def everything() -> dict[str, list[Any]]:
    """Every row of every table that a call might touch."""
    rows: dict[str, list[Any]] = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT to_jsonb(t) FROM {table} t ORDER BY to_jsonb(t)::text")  # noqa: S608
            rows[table] = [row for (row,) in cursor.fetchall()]
    return rows


def write(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
