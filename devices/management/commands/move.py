"""Move devices to another fleet of their organization."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.management.devices import act_on_each, fleet_of, found
from devices.models import Device
from devices.operations import lifecycle
from fleets.models import Fleet


class Command(BaseCommand):
    help = "Moves devices to another fleet of the same organization. They keep their history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("fleet", help="the address of the fleet, as in its URL /fleets/ADDRESS/")
        parser.add_argument("uuid", nargs="+")

    def handle(self, *, fleet: str, uuid: list[str], **options: Any) -> None:
        to = fleet_of(fleet)
        refusals = (lifecycle.OtherOrganization, lifecycle.FleetGone, Device.DoesNotExist)
        lines, refused = act_on_each(found(uuid), lambda device: move(device, to), refusals)
        self.stdout.write("\n".join(lines))
        if refused:
            raise CommandError(f"{refused} of {len(lines)} were not moved.")


def move(device: Device, to: Fleet) -> str:
    """Move one device; returns the line that says so. Raises OtherOrganization, FleetGone, DoesNotExist."""
    done = lifecycle.move(device=device, fleet=to, actor=None)
    return f"{device.uuid}: moved to {to.slug}" if done else f"{device.uuid}: already in {to.slug}"
