"""Several statements in one message to the database, whose answers come back together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def rows_of_each(statements: Sequence[str], params: Mapping[str, Any]) -> list[list[tuple[Any, ...]]]:
    """The rows of each of these statements, which all return rows; one round trip.

    They run one after the other as if sent alone: each sees what was committed until it began, the locks of
    those before it included. Only STATEMENT_TIMESTAMP() is the same in all. `params` are those of all, by
    name.
    """
    with connection.cursor() as cursor:
        cursor.execute(";".join(statements), params)
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        return found
