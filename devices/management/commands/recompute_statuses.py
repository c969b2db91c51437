"""Recompute recorded statuses after an update that changed the rules."""

from typing import Any

from django.core.management.base import BaseCommand

from devices.integrity import recompute


class Command(BaseCommand):
    help = (
        "Run this after an update that changed the status rules. It recomputes the recorded status of "
        "each device, 1,000 at a time. You can stop it and run it again."
    )

    def handle(self, **options: Any) -> None:
        changed = 0
        for step in recompute.steps():
            changed += step.changed
            self.stdout.write(f"{changed} devices got another status")
        self.stdout.write("All recorded statuses match the rules.")
