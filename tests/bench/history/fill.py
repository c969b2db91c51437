"""Ninety days of history for the devices of the pages' data set, which agrees with what they are now.

Made by SQL without triggers, a month at a time in a table of its own that then becomes a partition: so its
indexes are built at once. Rows lie in the order of their times, as they would have come. Months that are over
are not logged, since nothing writes to them any more; what a crash takes of them is made anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from devices.history import rollups
from devices.integrity import counters
from devices.models import FleetTally, Listening, Outage
from tests.bench.fill import checkpoint, execute
from tests.bench.pages import fill as pages
from tests.bench.pages.run import say

DAYS: Final = 90
LONGEST: Final = timedelta(hours=2)  # between the first and the last row of one event
PER_EVENT: Final = 5  # rows: two changes of status, three of the heartbeat
ENOUGH: Final = 1.1  # more events than rows ask for: devices that were lost long ago have fewer

# What the rows are made of, narrow, in the order in which the devices take turns: an order of their own.
SKETCH: Final = """
CREATE UNLOGGED TABLE bench_sketch AS
SELECT id, fleet_id, organization_id, created_at, vpn_connected, vpn_changed_at,
       recorded_status AS status, recorded_status_at AS status_at, heartbeat_changed_at AS heartbeat_at,
       heartbeat_state = 'lost' AS lost,
       CASE recorded_status WHEN 'online' THEN 'vpn-only' WHEN 'vpn-only' THEN 'online'
                            WHEN 'offline' THEN 'heartbeat-only' ELSE 'offline' END AS other,
       percent_rank() OVER turns AS share, (20 + id % 97) * interval '1 min' AS away
FROM devices_device WINDOW turns AS (ORDER BY id * 7919 % 1000003) ORDER BY share
"""
# The rows of an event that begins at `t`, and leaves a device as it is.
PAIR: Final = """(VALUES
    (status, other, t, '{"slug": "heartbeat-late"}'::jsonb),
    (other, status, t + away, '{"slug": "heartbeat"}'::jsonb)
)"""
TRIPLE: Final = """(VALUES
    ('recent', 'late', CASE WHEN lost THEN t + away - interval '15 s' ELSE t END,
     '{"slug": "heartbeat-late"}'::jsonb),
    ('late', 'lost', CASE WHEN lost THEN t + away ELSE t + interval '15 s' END,
     '{"slug": "heartbeat-lost"}'::jsonb),
    ('lost', 'recent', CASE WHEN lost THEN t ELSE t + away END, '{"slug": "heartbeat"}'::jsonb)
)"""
# Of all events of one turn of every device; of the last of each, which ends when its row says; and what
# happens to a device once.
SLOT: Final = "SELECT *, %(slot)s::timestamptz + share * %(length)s::interval AS t FROM bench_sketch"
LAST: Final = "SELECT *, {ends} - away AS t FROM bench_sketch WHERE {ends} IS NOT NULL"
ONCE: Final = {
    "devices_statuschange": '(VALUES (NULL, status, created_at, \'{"slug": "registered"}\'::jsonb))',
    "devices_connectivityrecord": """(VALUES (
        CASE WHEN vpn_connected THEN 'disconnected' ELSE 'connected' END,
        CASE WHEN vpn_connected THEN 'connected' ELSE 'disconnected' END, vpn_changed_at,
        jsonb_build_object('slug', CASE WHEN vpn_connected THEN 'vpn-connected' ELSE 'vpn-disconnected' END)
    ))""",
}
INSERT: Final = """
INSERT INTO {part} (id, {link}before, after, at, reason, device_id, fleet_id, organization_id)
SELECT nextval('{table}_id_seq'), {value}row.*, event.id, fleet_id, organization_id
FROM ({events}) AS event, LATERAL {rows} AS row(before, after, at, reason)
WHERE at >= %(start)s AND at < %(end)s AND {true}
"""


def fill(devices: int, rows: int) -> None:
    """Migrates, and makes that many devices with some more than that many rows, unless they are there."""
    pages.fill(devices, max(2, devices // 1000))
    if FleetTally.objects.exists():  # made last
        return
    at = Listening.objects.get().pulse_at
    execute("DROP TABLE IF EXISTS bench_sketch")
    execute(SKETCH)
    slots = max(1, round(rows * ENOUGH / PER_EVENT / devices))
    for start, end in months(at):
        for table in ONCE:
            make_month(table, start, end, at, slots)
    execute("DROP TABLE bench_sketch")
    for days in (0.4, 3, 20):  # times to hatch
        began = at - timedelta(days=days)
        Outage.objects.create(began_at=began, ended_at=began + timedelta(minutes=12))
    execute("VACUUM ANALYZE")
    counters.recount()
    said("tallies", lambda: rollups.rebuild(at))
    execute("VACUUM ANALYZE devices_fleettally, devices_fleetcount")
    checkpoint()


def months(at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Those from the making of the devices to `at`."""
    start = first_of_month(at - timedelta(days=101))
    while start <= at:
        end = first_of_month(start + timedelta(days=32))
        yield start, end
        start = end


def first_of_month(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def make_month(table: str, start: datetime, end: datetime, at: datetime, slots: int) -> None:
    """The partition of that month, in place of an empty one."""
    part, kind = f"{table}_{start:%Y_%m}", "TABLE" if end > at else "UNLOGGED TABLE"

    def make() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL maintenance_work_mem = '1GB'")
            cursor.execute("SET LOCAL synchronize_seqscans = off")
            cursor.execute(f"DROP TABLE IF EXISTS {part}")
            cursor.execute(f"CREATE {kind} {part} (LIKE {table} INCLUDING DEFAULTS)")
            count = 0
            for sql, params in inserts(table, part, (start, end), at, slots):
                cursor.execute(sql, params | {"start": start, "end": end})
                count += cursor.rowcount
            bounds = "FOR VALUES FROM (%s) TO (%s)"
            cursor.execute(f"ALTER TABLE {table} ATTACH PARTITION {part} {bounds}", [start, end])
        return count

    said(part, make)


def inserts(
    table: str, part: str, month: tuple[datetime, datetime], at: datetime, slots: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The statements that fill a month, in the order of their times."""
    links = table == "devices_connectivityrecord"
    names = {
        "table": table,
        "part": part,
        "link": "link, " if links else "",
        "value": "'heartbeat', " if links else "",
        "rows": TRIPLE if links else PAIR,
    }
    ends = "heartbeat_at" if links else "status_at"
    once = names | {"events": "SELECT * FROM bench_sketch", "rows": ONCE[table], "true": "true"}
    yield INSERT.format(**once | {"value": "'vpn', " if links else ""}), {}
    length, start = timedelta(days=DAYS) / slots, at - timedelta(days=DAYS)
    earlier = names | {"events": SLOT, "true": f"t + away < {ends} - interval '6 hours'"}
    for slot in (start + number * length for number in range(slots)):
        if slot < month[1] and slot + length + LONGEST > month[0]:
            yield INSERT.format(**earlier), {"slot": slot, "length": length}
    yield INSERT.format(**names | {"events": LAST.format(ends=ends), "true": "true"}), {}


def said(what: str, make: Callable[[], int]) -> None:
    """Do it, and say how many it made and how long that took."""
    began = time.monotonic()
    count = make()
    say(f"  {what}: {count:,} in {time.monotonic() - began:,.0f} s")
