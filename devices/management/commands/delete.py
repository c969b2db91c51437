"""Delete devices; without --yes it only says which."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.management.devices import act_on_each, found
from devices.models import Device
from devices.operations import lifecycle


class Command(BaseCommand):
    help = "Shows which devices would be deleted. With --yes it deletes them. This cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("uuid", nargs="+")
        parser.add_argument("--yes", action="store_true", help="delete them")

    def handle(self, *, uuid: list[str], yes: bool, **options: Any) -> None:
        devices = found(uuid)
        if not yes:
            self.stdout.write("\n".join(map(foreseen, devices)))
            self.stdout.write("Nothing was deleted. Add --yes to delete them. This cannot be undone.")
            return
        lines, refused = act_on_each(devices, delete, (Device.DoesNotExist,))
        self.stdout.write("\n".join(lines))
        if refused:
            raise CommandError(f"{refused} of {len(lines)} were already gone.")


def foreseen(device: Device) -> str:
    """The line that says what would be deleted."""
    contact = f"last contact {device.last_contact_at:%Y-%m-%d %H:%M} UTC" if device.last_contact_at else ""
    facts = [str(device), f"fleet {device.fleet.slug}", f"organization {device.organization.slug}", contact]
    return f"{device.uuid}: would be deleted: {', '.join(filter(None, facts))}"


def delete(device: Device) -> str:
    """Delete one device; returns the line that says so. Raises Device.DoesNotExist."""
    lifecycle.delete(device=device, actor=None)
    return f"{device.uuid}: deleted"
