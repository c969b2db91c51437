"""Create a key and print it, the only time that it is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from devices import clock, keys
from devices.models import Device
from fleets.models import Fleet, Organization

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Creates a key and prints it. Store it, because the site keeps only a digest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=float, help="the key expires after this many")
        kinds = parser.add_subparsers(dest="kind", required=True)
        device = kinds.add_parser("device", help="for one device: polls and reports")
        device.add_argument("uuid")
        provisioning = kinds.add_parser("provisioning", help="for one fleet: devices register")
        provisioning.add_argument("fleet", metavar="FLEET-SLUG")
        provisioning.add_argument("--name", default="", help="a name to recognize the key by")
        service = kinds.add_parser("service", help="for VPN servers")
        reach = service.add_mutually_exclusive_group(required=True)
        reach.add_argument("organization", nargs="?", metavar="ORGANIZATION-SLUG")
        reach.add_argument("--site-wide", action="store_true", help="for all organizations")
        service.add_argument("--name", default="", help="a name to recognize the key by")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(create_key(**options))


def create_key(kind: str, *, days: float | None = None, **options: Any) -> str:
    """The text of a new key. Raises CommandError where its holder does not exist, or has too many keys."""
    end = None if days is None else clock.now() + timedelta(days=days)
    try:
        if kind == "device":
            return keys.new_device_key(Device.objects.get(uuid=options["uuid"]), expires_at=end)
        if kind == "provisioning":
            fleet = Fleet.objects.get(slug=options["fleet"])
            return keys.new_provisioning_key(fleet, options["name"], expires_at=end)
        slug = options["organization"]
        organization = Organization.objects.get(slug=slug) if slug else None
        return keys.new_service_key(organization, options["name"], expires_at=end)
    except (Device.DoesNotExist, Fleet.DoesNotExist, Organization.DoesNotExist, keys.TooMany) as problem:
        raise CommandError(str(problem)) from problem
