"""Running work with the database in threads of the ingest: connections, conflicts, an absent database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from django.db import Error, close_old_connections, connection

from devices.ingest.http import NoDatabase
from fleets.postgres import availability
from fleets.postgres.availability import sqlstate
from fleets.postgres.round_trip import NOT_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg_pool import ConnectionPool

Result = TypeVar("Result")

# The ingest's own connection pools by alias, apart from those of pages: one connection for each thread. A
# thread that waited for a connection of another could delay a liveness sign.
POOLS: Final[dict[str, ConnectionPool]] = {}
MOST: Final = 32  # connections; there are fewer threads

# SQLSTATEs, or their first characters, that a second attempt solves: of conflicts, and where a prepared
# statement is gone.
CONFLICT = ("40", *NOT_KEPT)


def threads(number: int, name: str) -> ThreadPoolExecutor:
    """An executor of `number` threads with connections of their own, which pages do not take."""
    return ThreadPoolExecutor(number, name, initializer=_keep_apart)


def _keep_apart() -> None:
    """Give this thread the ingest's pool.

    Django has one pool for each alias, and no way to choose another.
    """
    connection._connection_pools = POOLS  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    options = connection.settings_dict["OPTIONS"]
    if pool := options.get("pool"):
        options = options | {"pool": pool | {"max_size": MOST}}
        connection.settings_dict = connection.settings_dict | {"OPTIONS": options}


def in_database(work: Callable[[], Result]) -> Result:
    """The result of `work`, run with a live connection, which is returned to the pool afterwards.

    `work` is a whole transaction: after a deadlock or a serialization failure, or where a prepared statement
    was gone, it runs once more. Raises Refused (503) where the database does not answer, and what `work`
    raises.
    """
    close_old_connections()
    try:
        return _at_most_twice(work)
    except Error as error:
        if availability.is_away(error):
            availability.drop()
            raise NoDatabase from error
        raise
    finally:
        close_old_connections()


def _at_most_twice(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except Error as error:
        if not sqlstate(error).startswith(CONFLICT):
            raise
        return work()
