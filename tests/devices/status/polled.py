"""Devices whose links are given, or whose last poll is: what the tests of statuses begin with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from devices import connectivity
from devices.models import Device
from devices.status.reading import with_status
from tests.factories import T0, make_device, seconds

LATE = 1350  # seconds after a poll: ceil(1.5 x P) of P = 900
LOST = 1365

UP: dict[str, Any] = {"vpn_connected": True, "vpn_changed_at": T0}
DOWN: dict[str, Any] = {"vpn_connected": False, "vpn_changed_at": T0}
BEATS: dict[str, Any] = {"heartbeat_state": "recent", "heartbeat_changed_at": T0}
LATELY: dict[str, Any] = {"heartbeat_state": "late", "heartbeat_changed_at": T0}
LOST_BEAT: dict[str, Any] = {"heartbeat_state": "lost", "heartbeat_changed_at": T0}
NEW: dict[str, Any] = {"provisioned_at": None}


def status_at(device: Device, at: datetime) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), at).get().status)


def make_polled(seconds_ago: float = 0, **fields: Any) -> Device:
    """A device whose last poll was that long before T0."""
    device = make_device(**fields)
    connectivity.record_heartbeats([device.pk], T0 - seconds(seconds_ago))
    return device
