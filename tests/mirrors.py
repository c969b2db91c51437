"""Devices of tests as devices that are read from a source."""

from __future__ import annotations

from typing import Any, Final

from devices.models import Device, MirroredDevice, MirroredFleet, Source
from tests.factories import T0

HOST: Final = "api.example"


def mirror(*devices: Device, **fields: Any) -> Source:
    """Let a source of their organization be in charge of these devices and their fleets; returns it."""
    values: dict[str, Any] = {
        "name": "balena",
        "address": f"https://{HOST}",
        "created_at": T0,
        "swept_at": T0,
    }
    source = Source.objects.create(organization=devices[0].organization, **values | fields)
    for fleet in {device.fleet_id for device in devices}:
        MirroredFleet.objects.create(
            fleet_id=fleet, source=source, remote_id=fleet, slug=f"acme/fleet-{fleet}"
        )
    for device in devices:
        MirroredDevice.objects.create(device=device, source=source, remote_id=device.pk, status="operational")
    return source
