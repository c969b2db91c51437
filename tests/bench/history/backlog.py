"""Heartbeats that lapsed while nobody recorded it, for real and then put back; and the least that they cost.

Settling works on connections of its own, so nothing of it can be rolled back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection, transaction

from devices.integrity import counters
from devices.models import Device
from tests.bench.fill import checkpoint, execute

# Devices that still polled when the ingest fell silent, but of which nothing was heard for some minutes.
SILENCED: Final = """
UPDATE devices_heartbeat h
SET last_poll_at = last_poll_at - back, late_at = late_at - back, lost_at = lost_at - back,
    due_at = due_at - back
FROM (
    SELECT device_id, interval '1400 seconds' AS back FROM devices_heartbeat
    WHERE due_at = late_at ORDER BY device_id LIMIT %(number)s
) AS chosen
WHERE h.device_id = chosen.device_id
"""
# What it and the settling change, by table.
CHANGED: Final = {
    "devices_heartbeat": "device_id, last_poll_at, late_at, lost_at, due_at",
    "devices_device": "id, heartbeat_state, heartbeat_changed_at, last_contact_at, facts_at, facts_reason,"
    " recorded_status_at",
}
HISTORIES: Final = ("devices_statuschange", "devices_connectivityrecord")
# Rows as they are, and where a history ends: for `put_back`.
KEEP: Final = """
CREATE TABLE bench_{table} AS SELECT {columns} FROM {table} WHERE {key} IN (
    SELECT device_id FROM devices_heartbeat WHERE due_at = late_at ORDER BY device_id LIMIT %(number)s)
"""
KEEP_END: Final = "CREATE TABLE bench_{table} AS SELECT COALESCE(max(id), 0) AS last FROM {table}"
RESTORE: Final = "UPDATE {table} t SET {sets} FROM bench_{table} kept WHERE t.{key} = kept.{key}"
SHORTEN: Final = "DELETE FROM {table} WHERE id > (SELECT last FROM bench_{table})"
EQUAL: Final = """
INSERT INTO bench_equal ({columns}) SELECT {columns} FROM devices_device ORDER BY id LIMIT %(number)s
"""


@contextmanager
def backlog(number: int) -> Iterator[None]:
    """So many heartbeats are late and lost unrecorded in this block; after it, all is as it was before."""
    if kept():  # by a run that was cut off
        put_back()
    keep(number)
    execute(SILENCED, number=number)
    checkpoint()
    try:
        yield
    finally:
        put_back()


def kept() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"bench_{HISTORIES[-1]}"])
        return cursor.fetchone()[0] is not None


@transaction.atomic
def keep(number: int) -> None:
    for table, columns in CHANGED.items():
        key = columns.partition(",")[0]
        execute(KEEP.format(table=table, columns=columns, key=key), number=number)
    for table in HISTORIES:
        execute(KEEP_END.format(table=table))


def put_back() -> None:
    with transaction.atomic():
        execute("ALTER TABLE devices_device DISABLE TRIGGER USER")
        for table, columns in CHANGED.items():
            key, *others = columns.split(", ")
            sets = ", ".join(f"{column} = kept.{column}" for column in others)
            execute(RESTORE.format(table=table, key=key, sets=sets))
        execute("ALTER TABLE devices_device ENABLE TRIGGER USER")
        for table in HISTORIES:
            execute(SHORTEN.format(table=table))
        for table in (*CHANGED, *HISTORIES):
            execute(f"DROP TABLE bench_{table}")
        counters.recount()
    execute(f"VACUUM ANALYZE {', '.join(CHANGED)}")


def bare_update(number: int) -> float:
    """Seconds in which the server alone changes as many rows of an equal table, with its indexes, at once."""
    columns = ", ".join(str(field.column) for field in Device._meta.concrete_fields if not field.generated)
    with transaction.atomic():
        execute("CREATE TABLE bench_equal (LIKE devices_device INCLUDING ALL)")
        execute(EQUAL.format(columns=columns), number=number)
    execute("VACUUM ANALYZE bench_equal")
    checkpoint()
    began = time.perf_counter()
    execute("UPDATE bench_equal SET heartbeat_state = 'lost', heartbeat_changed_at = now()")
    took = time.perf_counter() - began
    execute("DROP TABLE bench_equal")
    return took
