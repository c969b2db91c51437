"""Devices that lost their VPN together."""

from __future__ import annotations

from datetime import timedelta

from devices import clock, connectivity
from devices.models import Device
from fleets.models import Fleet
from tests.factories import make_device


def lose(fleet: Fleet, number: int, **fields: object) -> list[Device]:
    """So many devices that lost their VPN at once, a minute ago, and kept the heartbeat."""
    devices = [make_device(fleet, **fields) for _ in range(number)]
    at = clock.now() - timedelta(minutes=2)
    connectivity.vpn_connected("vpn-1", [device.uuid for device in devices], at)
    connectivity.record_heartbeats([device.pk for device in devices], at)
    connectivity.vpn_disconnected("vpn-1", [device.uuid for device in devices], at + timedelta(minutes=1))
    return devices
