"""The command `check_upgrade`: say what `migrate` would do, before it does it."""

from typing import Any

from django.core.management.base import BaseCommand

from dashboard.server import upgrades


class Command(BaseCommand):
    help = "Lists the migrations that are not applied, which tables they lock, and for about how long."

    def handle(self, **options: Any) -> None:
        planned = upgrades.planned()
        if not planned:
            self.stdout.write("The database has all migrations of this version.")
            return
        for migration in planned:
            self.stdout.write(migration.name)
            for step in migration.steps:
                self.stdout.write(f"  {step}")
            if migration.unknown:
                self.stdout.write("  It also fills rows in batches. How long that takes is not known.")
        steps = [step for migration in planned for step in migration.steps]
        whole = sum(step.seconds for step in steps)
        waits = sum(step.seconds for step in steps if step.meanwhile != upgrades.EVERYBODY)
        self.stdout.write(
            f"In all about {whole:,.0f} s, in {waits:,.0f} s of which somebody waits."
            " migrate waits at most 3 s for the lock on a table, gives way, and tries again."
        )
