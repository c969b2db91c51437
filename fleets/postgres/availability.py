"""The database is away: how one knows, and that a connection which said so is not used again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from django import db
from django.db import close_old_connections, connection

if TYPE_CHECKING:
    from collections.abc import Iterator

# SQLSTATE by class, or code: no server to speak to, or one that takes no writes any more (25006): a primary
# that has become a standby.
STATES: Final = ("08", "53", "57P", "25006")
BROKEN: Final = (db.OperationalError, db.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


def is_away(error: BaseException | None) -> bool:
    """Whether this error of Django's or of psycopg's says that the database is away."""
    if not isinstance(error, db.Error | psycopg.Error):
        return False
    state = sqlstate(error)
    return state.startswith(STATES) if state else isinstance(error, BROKEN)


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code for this error; empty where it gave none, as when the connection broke."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    return getattr(cause, "sqlstate", None) or ""


def drop() -> None:
    """Close this thread's connection for good: closing Django's alone hands it to the pool's next user."""
    if connection.connection is not None:
        connection.connection.close()
    connection.close()


@contextmanager
def connected() -> Iterator[None]:
    """The block, in a thread without requests, has a connection that was alive a moment ago.

    Afterwards it is given back; one whose database is away is dropped.
    """
    close_old_connections()
    try:
        yield
    except Exception as error:
        if is_away(error):
            drop()
        raise
    finally:
        connection.close()
