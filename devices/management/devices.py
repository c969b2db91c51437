"""What commands about devices share: finding them, and telling of each what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.core.management.base import CommandError

from devices.models import Device
from fleets.models import Fleet


def found(uuids: Sequence[str]) -> list[Device]:
    """The devices of these UUIDs, in their order. CommandError names what is not there; nothing is done."""
    there = {
        device.uuid: device
        for device in Device.objects.filter(uuid__in=uuids).select_related("organization", "fleet")
    }
    if missing := [uuid for uuid in uuids if uuid not in there]:
        raise CommandError(f"No device has the UUID {', '.join(missing)}. Nothing was done.")
    return [there[uuid] for uuid in dict.fromkeys(uuids)]


def fleet_of(slug: str) -> Fleet:
    fleet = Fleet.objects.select_related("organization").filter(slug=slug).first()
    if fleet is None:
        raise CommandError(f"No fleet has the address {slug}. Nothing was done.")
    return fleet


def act_on_each(
    devices: Sequence[Device], act: Callable[[Device], str], refusals: tuple[type[Exception], ...]
) -> tuple[list[str], int]:
    """Do it to one device after another; a sentence for each, and how many refused."""
    told, refused = [], 0
    for device in devices:
        try:
            told.append(act(device))
        except refusals as refusal:
            refused += 1
            told.append(f"{device.uuid}: not done. {refusal}")
    return told, refused
