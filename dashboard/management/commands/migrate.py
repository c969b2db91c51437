"""Django's `migrate`, one at a time: a second one that is started meanwhile waits, and finds nothing to do.

It polls for the lock: a query that waits in the database would delay CREATE INDEX CONCURRENTLY of the first
one, which waits for older queries.

A database with all migrations that a squashed one replaces counts as migrated. One with only some of them is
refused, as the others no longer exist.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from fleets.postgres.leader import MIGRATING, Leader

POLL_INTERVAL: Final = 0.5  # seconds between two attempts to get the lock
UNRELEASED: Final = (
    "This database was created by an unreleased version of Lookout, which had other migrations."
    " Update to version 0.1.0 first and run migrate there, then update to this version."
)


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_unapplied"] or options["plan"]:  # these only read
            refuse_unreleased(options["database"])
            super().handle(*args, **options)
            return
        with self.alone():
            refuse_unreleased(options["database"])
            super().handle(*args, **options)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock during this block, so that no other process migrates this database."""
        leader, announced = Leader(MIGRATING), False
        while not leader.leads():
            if not announced:
                self.stderr.write("Another migrate is running. Waiting until it ends.")
            announced = True
            time.sleep(POLL_INTERVAL)
        try:
            yield
        finally:
            leader.resign()


def refuse_unreleased(database: str) -> None:
    """Raise CommandError for a database with only some of the migrations that a squashed one replaces."""
    applied = MigrationRecorder(connections[database]).applied_migrations()
    for migration in MigrationLoader(None).replacements.values():
        have_run = [key in applied for key in migration.replaces]
        if any(have_run) and not all(have_run):
            raise CommandError(UNRELEASED)
