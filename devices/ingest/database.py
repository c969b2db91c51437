"""Work in the database from a thread of the ingest: live connections, conflicts, outages."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from devices.ingest.http import no_database

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

# SQLSTATE by class (or code): a conflict that a second attempt solves; no database to speak to.
CONFLICT = ("40",)
OUTAGE = ("08", "53", "57P")


def in_database(work: Callable[[], Result]) -> Result:
    """What `work` returns, on a connection that was alive a moment ago and goes back afterwards.

    After a deadlock or a serialization failure it runs once more: it must be a whole transaction.
    Raises Refused (503) where there is no database.
    """
    close_old_connections()
    try:
        return _at_most_twice(work)
    except (OperationalError, InterfaceError) as error:
        if not sqlstate(error) or sqlstate(error).startswith(OUTAGE):
            connection.close()
            raise no_database() from error
        raise
    finally:
        close_old_connections()


def _at_most_twice(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except OperationalError as error:
        if not sqlstate(error).startswith(CONFLICT):
            raise
        return work()


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code for this error; empty where it gave none, as when the connection broke."""
    return getattr(error.__cause__, "sqlstate", None) or ""
