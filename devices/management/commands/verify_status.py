"""Recompute what is recorded from the facts, and print every disagreement."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices import reconcile


class Command(BaseCommand):
    help = (
        "Checks devices, histories and counters against the facts; says what disagrees, and changes nothing."
    )

    def handle(self, **options: Any) -> None:
        found = [str(each) for each in reconcile.disagreements()]
        for line in found:
            self.stdout.write(line)
        if found:
            raise CommandError(f"{len(found)} disagreements")
        self.stdout.write("Everything recorded follows from the facts.")
