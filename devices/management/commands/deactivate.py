"""Take devices out of service."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.management.devices import act_on_each, found
from devices.models import Device
from devices.operations import lifecycle


class Command(BaseCommand):
    help = "Deactivates devices whose links are both down. Their next contact activates them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("uuid", nargs="+")

    def handle(self, *, uuid: list[str], **options: Any) -> None:
        lines, refused = act_on_each(found(uuid), deactivate, (lifecycle.StillConnected, Device.DoesNotExist))
        self.stdout.write("\n".join(lines))
        if refused:
            raise CommandError(f"{refused} of {len(lines)} were not deactivated.")


def deactivate(device: Device) -> str:
    """Deactivate one device; returns the line that says so. Raises StillConnected, Device.DoesNotExist."""
    done = lifecycle.deactivate(device=device, actor=None)
    return f"{device.uuid}: deactivated" if done else f"{device.uuid}: already inactive"
