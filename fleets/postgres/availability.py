"""Whether an error says that the database is unavailable, and dropping connections that it broke."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from django import db
from django.db import close_old_connections, connection

if TYPE_CHECKING:
    from collections.abc import Iterator

# SQLSTATEs, or their first characters, of a server that cannot be reached or cannot work, or that no longer
# accepts writes (25006): a primary that has become a standby.
STATES: Final = ("08", "53", "57P", "25006")
BROKEN: Final = (db.OperationalError, db.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


def is_away(error: BaseException | None) -> bool:
    """Whether this error, of Django or psycopg, says that the database is unavailable."""
    if not isinstance(error, db.Error | psycopg.Error):
        return False
    state = sqlstate(error)
    return state.startswith(STATES) if state else isinstance(error, BROKEN)


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error of Django or psycopg; "" if it has none, as when the connection broke."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    return getattr(cause, "sqlstate", None) or ""


def drop() -> None:
    """Close the connection of this thread, also to the server: Django would only return it to the pool."""
    if connection.connection is not None:
        connection.connection.close()
    connection.close()


def let_go() -> None:
    """Give the connection of this thread back while it waits for something else; not within a transaction.

    The next query takes one again.
    """
    if not connection.in_atomic_block:
        connection.close()


@contextmanager
def connected() -> Iterator[None]:
    """A block of a thread without requests that uses the database: its connection is checked before.

    After the block it is returned to the pool, or dropped if the database was unavailable.
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
