"""Rotate a device's key: create a second one, and later revoke the first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from devices import keys
from devices.keys import rotation as key_rotation
from devices.models import Device

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Creates a second key for a device and prints it. --finish revokes the first one once the second "
        "is in use."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("uuid")
        parser.add_argument(
            "--overlap", type=float, metavar="HOURS", help="the first key expires by itself after this time"
        )
        parser.add_argument("--finish", action="store_true", help="revoke the first key")
        parser.add_argument("--unused", action="store_true", help="finish even if the second was never used")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(rotate_key(**options))


def rotate_key(uuid: str, *, overlap: float | None, finish: bool, unused: bool, **options: Any) -> str:
    """The text of the new key, or with `finish` a sentence. Raises CommandError where that is refused."""
    try:
        device = Device.objects.get(uuid=uuid)
        if not finish:
            hours = None if overlap is None else timedelta(hours=overlap)
            return key_rotation.rotate(device=device, overlap=hours)
        key_rotation.finish(device=device, unused=unused)
    except (
        Device.DoesNotExist,
        keys.TooMany,
        key_rotation.NotRotating,
        key_rotation.NotUsedYet,
    ) as problem:
        raise CommandError(str(problem)) from problem
    return "The first key is revoked."
