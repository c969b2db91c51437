"""What people cannot do to fleets and devices that are read from a source, which stays in charge of them.

Deactivating, moving and deleting them would be undone by the next sweep, and their keys are that source's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.core.exceptions import PermissionDenied

from devices.models import MirroredDevice, MirroredFleet
from fleets.models import Fleet

IN_CHARGE: Final = "Read from a source, which stays in charge of it"


class Mirrored(PermissionDenied):
    """It is read from a source, so this must be done there; `host` is that of its API, if it is known."""

    def __init__(self, host: str = "a source") -> None:
        super().__init__(f"It is read from {host}, which stays in charge of it. Do this there.")


def mirrored(devices: Collection[int]) -> set[int]:
    """Those of these devices, by primary key, that are read from a source."""
    return set(MirroredDevice.objects.filter(device__in=devices).values_list("device_id", flat=True))


def require_own(*devices: int) -> None:
    """Raise Mirrored if one of these devices, by primary key, is read from a source."""
    if mirrored(devices):
        raise Mirrored


def require_own_fleet(fleet: Fleet) -> None:
    """Raise Mirrored if the fleet is read from a source."""
    if MirroredFleet.objects.filter(fleet=fleet.pk).exists():
        raise Mirrored
