"""Bring recorded statuses to the rules after an update that changed these."""

from typing import Any

from django.core.management.base import BaseCommand

from devices.integrity import recompute


class Command(BaseCommand):
    help = (
        "After an update that changed the rules of the status: gives each device the status it has by them,"
        " 1,000 at a time. Can be stopped, and run again."
    )

    def handle(self, **options: Any) -> None:
        changed = 0
        for step in recompute.steps():
            changed += step.changed
            self.stdout.write(f"{changed} devices have another status by the rules")
        self.stdout.write("Every recorded status is that of the rules.")
