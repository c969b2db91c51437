"""Django's `migrate`, one at a time: a second one that is started meanwhile waits, and finds nothing to do.

It polls for the lock: a query that waits in the database would delay CREATE INDEX CONCURRENTLY of the first
one, which waits for older queries.

While a migration waits for the lock on a table, everybody else queues behind it. So it waits LOCK_TIMEOUT,
gives way and tries again. Migrations that are not atomic wait as long as it takes: they build indexes
concurrently and write in batches, which stops nobody (tests/upgrade/careful.py holds them to it).

A database with all migrations that a squashed one replaces counts as migrated. One with only some of them is
refused, as the others no longer exist.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from fleets.postgres.availability import sqlstate
from fleets.postgres.leader import MIGRATING, Leader

POLL_INTERVAL: Final = 0.5  # seconds between two attempts to get the lock
LOCK_TIMEOUT: Final = "3s"
LOCK_NOT_AVAILABLE: Final = "55P03"
TRIES: Final = 100  # at a lock, which are about eight minutes
BETWEEN_TRIES: Final = 2.0  # seconds, in which those who waited behind the migration go on
WAITING: Final = "Another transaction keeps a table locked that a migration changes. Trying again."
LOCKED: Final = (
    "A migration did not get the lock on a table that it changes. What was migrated before stays. Look for"
    " long transactions in pg_stat_activity, end them, and run migrate again."
)
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
        self.connection = connections[options["database"]]
        with self.alone():
            refuse_unreleased(options["database"])
            self.migrate(*args, **options)

    def migrate(self, *args: Any, **options: Any) -> None:
        """Migrate, again where a table stays locked. Raises CommandError after so many TRIES."""
        for _ in range(TRIES):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if sqlstate(error) != LOCK_NOT_AVAILABLE:
                    raise
                self.stderr.write(WAITING)
                time.sleep(BETWEEN_TRIES)
            else:
                return
        raise CommandError(LOCKED)

    def migration_progress_callback(
        self,
        action: str,
        migration: Migration | None = None,
        fake: bool = False,  # noqa: FBT001, FBT002 - Django's
    ) -> None:
        if migration is not None:  # it begins, or has ended
            timeout = LOCK_TIMEOUT if migration.atomic and action.endswith("_start") else "0"
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [timeout])
        super().migration_progress_callback(action, migration, fake)

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
