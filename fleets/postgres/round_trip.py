"""Several statements in one message to the database, whose answers come back together.

Where connections last and lead to the database itself, they are prepared: the database plans them once for
each connection, which takes most of the time of a short statement, and is asked for them by name. A PgBouncer
gives each transaction another connection, so there they are sent whole.
"""

from __future__ import annotations

import logging
import re
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2s
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import Error, connection

from fleets.postgres.availability import sqlstate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

logger = logging.getLogger(__name__)

NAMED: Final = re.compile(r"%\((\w+)\)s")
# As PostgreSQL types their literals; everything else it infers from where it stands.
TYPES: Final = {
    bool: "boolean",
    float: "double precision",
    bytes: "bytea",
    datetime: "timestamptz",
    timedelta: "interval",
}
INFERRED: Final = "unknown"
# SQLSTATEs of a connection that does not keep what was prepared on it, or no longer as it was: a PgBouncer is
# between that the settings do not name, somebody discarded it, or the type of a column was changed.
NOT_KEPT: Final = ("26000", "42P05", "0A000")
# Which statements are prepared, by connection; they last as long as it.
_prepared: Final = WeakKeyDictionary[Any, set[str]]()
_not_kept: Final = threading.Event()  # then this process sends statements whole


class Prepared(NamedTuple):
    """A statement under a name: SQL that prepares it, and SQL with its named parameters that runs it."""

    name: str
    prepare: str
    execute: str


def rows_of_each(statements: Sequence[str], params: Mapping[str, Any]) -> list[list[tuple[Any, ...]]]:
    """The rows of each of these statements, none where it returns none; one round trip.

    They run one after the other as if sent alone: each sees what was committed until it began, the locks of
    those before it included. Only STATEMENT_TIMESTAMP() is the same in all. `params` are those of all, by
    name. Where a prepared statement is gone, its error is raised, and later ones are sent whole.
    """
    prepares = settings.PREPARED_STATEMENTS and not _not_kept.is_set()
    with _noticing(), connection.cursor() as cursor:
        sent = _by_name(statements, params) if prepares else statements
        cursor.execute(";".join(sent), params)
        found = [cursor.fetchall() if cursor.description else []]
        while cursor.nextset():
            found.append(cursor.fetchall() if cursor.description else [])
        return found


@contextmanager
def _noticing() -> Iterator[None]:
    """Notices that prepared statements are not kept."""
    try:
        yield
    except Error as error:
        if sqlstate(error) in NOT_KEPT and not _not_kept.is_set():
            logger.warning("statements are no longer prepared: %s", str(error).partition("\n")[0])
            _not_kept.set()
        raise


def _by_name(statements: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """SQL that runs these statements, which are prepared on this connection from now on."""
    types = {name: _type(value) for name, value in params.items()}
    wanted = [prepared(each, tuple(types[name] for name in names(each))) for each in statements]
    known = _prepared.setdefault(connection.connection, set())
    for each in wanted:
        if each.name not in known:
            with connection.wrap_database_errors:
                connection.connection.execute(each.prepare)
            known.add(each.name)
    return [each.execute for each in wanted]


@lru_cache
def names(statement: str) -> tuple[str, ...]:
    """The names of its parameters, each once."""
    return tuple(dict.fromkeys(NAMED.findall(statement)))


@lru_cache(1000)
def prepared(statement: str, types: tuple[str, ...]) -> Prepared:
    """The statement with parameters of these types, in the order of `names`."""
    order = names(statement)
    name = f"s{blake2s(repr((statement, types)).encode(), digest_size=8).hexdigest()}"
    numbered = NAMED.sub(lambda found: f"${order.index(found[1]) + 1}", statement).replace("%%", "%")
    taken = f"({', '.join(types)})" if types else ""
    given = f"({', '.join(f'%({each})s' for each in order)})" if order else ""
    return Prepared(name, f"PREPARE {name}{taken} AS {numbered}", f"EXECUTE {name}{given}")


def _type(value: Any) -> str:
    """The type of a parameter, as SQL."""
    if isinstance(value, list):
        first = next((each for each in value if each is not None), None)
        inside = "bigint" if type(first) is int else _type(first)
        return INFERRED if inside == INFERRED else f"{inside}[]"
    if type(value) is int:
        return "integer" if -(2**31) <= value < 2**31 else "bigint"
    return TYPES.get(type(value), INFERRED)
