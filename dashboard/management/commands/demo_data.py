"""The command `demo_data`: create the demo organization."""

from __future__ import annotations

from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dashboard.demo import past as demo_past
from dashboard.demo import site as demo


class Command(BaseCommand):
    help = (
        "Creates the demo organization, its sign-in and its keys. If run again, it creates what is missing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.STATE_DIRECTORY / "demo.json"
        try:
            account = demo.make(path)
            demo_past.make(account, settings.STATE_DIRECTORY / "simulator.json")
        except msgspec.DecodeError as error:
            raise CommandError(f"{path} is not the demo's key file: {error}") from error
        except demo.Occupied as error:
            raise CommandError(f"{error} The demo does not change it and cannot be created here.") from error
        self.stdout.write(f"Sign in as {account.user} with password {account.password}")
