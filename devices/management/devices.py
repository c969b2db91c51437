"""What commands about devices share: finding devices and fleets, and acting on one device after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.core.management.base import CommandError

from devices.models import Device
from fleets.models import Fleet


def found(uuids: Sequence[str]) -> list[Device]:
    """The devices with these UUIDs, in that order. Raises CommandError that names the unknown ones."""
    there = {
        device.uuid: device
        for device in Device.objects.filter(uuid__in=uuids).select_related("organization", "fleet")
    }
    if missing := [uuid for uuid in uuids if uuid not in there]:
        raise CommandError(f"No device has the UUID {', '.join(missing)}. Nothing was done.")
    return [there[uuid] for uuid in dict.fromkeys(uuids)]


def fleet_of(slug: str) -> Fleet:
    """The fleet with this slug. Raises CommandError where there is none."""
    fleet = Fleet.objects.select_related("organization").filter(slug=slug).first()
    if fleet is None:
        raise CommandError(f"No fleet has the address {slug}. Nothing was done.")
    return fleet


def act_on_each(
    devices: Sequence[Device], act: Callable[[Device], str], refusals: tuple[type[Exception], ...]
) -> tuple[list[str], int]:
    """Act on one device after another; returns a line for each, and how many were refused.

    `act` returns the line, or raises one of `refusals`.
    """
    lines, refused = [], 0
    for device in devices:
        try:
            lines.append(act(device))
        except refusals as refusal:
            refused += 1
            lines.append(f"{device.uuid}: not done. {refusal}")
    return lines, refused
