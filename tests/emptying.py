"""Empties the database after a test that committed: what Django's flush does, where a test wrote little.

TRUNCATE makes new files for every table and index there is, and content types and permissions have to be
made again; a few rows are deleted in a hundredth of that time.
"""

from __future__ import annotations

from typing import Final

from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase
from psycopg.errors import DeadlockDetected

LARGE: Final = 2**20  # bytes, with what was deleted before; TRUNCATE empties a larger table sooner
ATTEMPTS: Final = 3
REMADE: Final = {"django_content_type", "auth_permission"}  # by a flush, just as they are
# Of these tables and their partitions, with size and whether triggers watch it.
WRITTEN: Final = """
SELECT oid::regclass::text, pg_relation_size(oid), EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal)
FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid
WHERE relkind = 'r' AND coalesce(inhparent, oid) = ANY (%s::regclass[]) AND pg_relation_size(oid) > 0
"""
_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # not public


def empty(case: TransactionTestCase) -> None:
    """Replaces TransactionTestCase._fixture_teardown; waits, as TRUNCATE does, for writers.

    A request of a page that is still under way may lock its tables in another order: begins again then.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            if not _deleted():
                _flush(case)
        except OperationalError as error:
            if not (left and isinstance(error.__cause__, DeadlockDetected)):
                raise
        else:
            return


def _deleted() -> bool:
    """Delete all rows, where they are few; else leave them."""
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - REMADE)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(tables)}")
        cursor.execute(WRITTEN, [tables])
        written = cursor.fetchall()
        few = all(size <= LARGE for _, size, _ in written)
        if few:
            guarded = [table for table, _, triggers in written if triggers]
            steps = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in guarded]
            steps += [f"DELETE FROM {table}" for table, _, _ in written]  # noqa: S608 - names of our own
            steps += ["SET CONSTRAINTS ALL IMMEDIATE"]
            steps += [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in guarded]
            cursor.execute("; ".join(steps))
    return few
