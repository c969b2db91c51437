"""Work in the database from a thread of the ingest: live connections, conflicts, outages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from django.db import Error, OperationalError, close_old_connections, connection

from devices.ingest.http import no_database
from fleets.postgres import availability
from fleets.postgres.availability import sqlstate

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg_pool import ConnectionPool

Result = TypeVar("Result")

# The ingest's own connections by alias, as Django keeps those of pages: never more than it has threads, and
# for each of them one, however few are for pages. A thread that waited for another would keep back the pulse.
POOLS: Final[dict[str, ConnectionPool]] = {}
MOST: Final = 32  # connections; there are fewer threads

# SQLSTATE by class: a conflict that a second attempt solves.
CONFLICT = ("40",)


def threads(number: int, name: str) -> ThreadPoolExecutor:
    """Threads of the ingest: no page takes their connections, also where one process serves both."""
    return ThreadPoolExecutor(number, name, initializer=_keep_apart)


def _keep_apart() -> None:
    """Give this thread the ingest's pool. Django has one for each alias, and no way to name another."""
    connection._connection_pools = POOLS  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    options = connection.settings_dict["OPTIONS"]
    if pool := options.get("pool"):
        options = options | {"pool": pool | {"max_size": MOST}}
        connection.settings_dict = connection.settings_dict | {"OPTIONS": options}


def in_database(work: Callable[[], Result]) -> Result:
    """What `work` returns, on a connection that was alive a moment ago and goes back afterwards.

    After a deadlock or a serialization failure it runs once more: it must be a whole transaction.
    Raises Refused (503) where there is no database.
    """
    close_old_connections()
    try:
        return _at_most_twice(work)
    except Error as error:
        if availability.is_away(error):
            availability.drop()
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
