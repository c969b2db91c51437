"""Leader election: of several processes the one that has an advisory lock of the database does the work."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

# Keys of advisory locks.
SETTLING = 0x736574746C65  # for `settle --watch`
SWEEPING = 0x7377656570  # for `balena sweep --watch`
TELLING = 0x74656C6C  # that of `tell --watch`
MIGRATING = 0x6D6967726174  # for `migrate`


class Leader:
    """Leadership by one advisory lock, on a connection of its own that bypasses any PgBouncer."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._connection: psycopg.Connection[Any] | None = None

    def leads(self) -> bool:
        """Whether this process leads now: it tries to get the lock if it has none, or lost its connection.

        Raises psycopg.OperationalError if the database is unavailable.
        """
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.OperationalError:
                self.resign()
            else:
                return True
        name = connection.settings_dict["NAME"]
        opened = psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name, autocommit=True)
        (mine,) = opened.execute("SELECT pg_try_advisory_lock(%s)", [self._lock]).fetchone() or (False,)
        if mine:
            self._connection = opened
        else:
            opened.close()
        return bool(mine)

    def resign(self) -> None:
        """Release the lock at once: the server may notice the end of a connection only some time later."""
        if self._connection is not None:
            with suppress(psycopg.OperationalError):
                self._connection.execute("SELECT pg_advisory_unlock(%s)", [self._lock])
            self._connection.close()
            self._connection = None
