"""Django's `migrate`, one at a time: of two that begin together the second waits, and finds nothing to do.

It asks again and again instead of waiting in the database: a query that waits would hold up the first one's
indexes, which are built once no older query is under way.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.commands import migrate

from fleets.postgres.leader import MIGRATING, Leader

PAUSE: Final = 0.5  # seconds between two looks


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_unapplied"] or options["plan"]:  # they only read
            super().handle(*args, **options)
            return
        with self.alone():
            super().handle(*args, **options)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside this block nobody else migrates this database."""
        leader, told = Leader(MIGRATING), False
        while not leader.leads():
            if not told:
                self.stderr.write("Another migrate is under way: waiting for its end.")
            told = True
            time.sleep(PAUSE)
        try:
            yield
        finally:
            leader.resign()
