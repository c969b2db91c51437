"""What is recorded of a device's links, as the tests of connectivity expect it."""

from __future__ import annotations

from typing import Any

from devices.models import ConnectivityRecord, Device
from tests.factories import T0, seconds


def at(number: float) -> Any:
    return T0 + seconds(number)


def link(device: Device) -> tuple[bool, Any, str | None]:
    device.refresh_from_db()
    owner = device.vpn_server.name if device.vpn_server else None
    return device.vpn_connected, device.vpn_changed_at, owner


def records(device: Device) -> list[tuple[Any, str, str, str]]:
    rows = ConnectivityRecord.objects.filter(device=device).order_by("id")
    return [(row.at, row.before, row.after, row.reason["slug"]) for row in rows]
