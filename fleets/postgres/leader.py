"""One of several: who holds an advisory lock of the database does the work, the others wait for its end."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

SETTLING = 0x736574746C65  # the lock of `settle --watch`
MIGRATING = 0x6D6967726174  # that of `migrate`


class Leader:
    """Whether this process leads. The lock lives as long as its connection, which bypasses any PgBouncer."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._connection: psycopg.Connection[Any] | None = None

    def leads(self) -> bool:
        """Ask the database: a connection that broke has lost the lock. Raises psycopg.OperationalError."""
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
        """Let another one lead, from this moment: the end of a connection is noticed only some time later."""
        if self._connection is not None:
            with suppress(psycopg.OperationalError):
                self._connection.execute("SELECT pg_advisory_unlock(%s)", [self._lock])
            self._connection.close()
            self._connection = None
