"""The sorted scan: all devices that meet the conditions are read first, then sorted and counted.

It serves lists of few devices (branches.sorted_scan_by), which no index of an order finds faster. The planner
cannot know how few they are, so the choice is not left to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import connection

from devices.listing.branches import Branch, Recorded, conditions
from devices.listing.cursor import Cursor
from devices.rules.stalled import recorded_stalled
from devices.rules.status_code import LINKS, status_of
from devices.rules.vocabulary import LAST_ATTENTION_RANK
from fleets.postgres import name_order
from fleets.postgres.fragment import Fragment

CONTACT = "COALESCE(d.recorded_quiet_at, devices_heartbeat.recorded_contact_at)"
KEYS = {
    "attention": "d.recorded_since",
    "name": name_order.sql("d.name"),
    "contact": CONTACT,
    "release": name_order.sql("d.release"),
}


def rows(recorded: Recorded, branch: Branch, first: str, cursor: Cursor) -> Fragment:
    """SQL of the next rows of a branch behind a cursor: id, rank (by attention), key, ends (false).

    `first` is the table whose condition few devices meet.
    """
    sql, params = _found(recorded, branch, first, cursor)
    after, values = cursor.after()
    rank = "rank, " if cursor.name == "attention" else ""
    return (
        f"""
        SELECT id, {rank}key, false AS ends FROM ({sql}) AS found
        WHERE {after} ORDER BY {cursor.order} LIMIT %s
        """,
        [*params, *values, cursor.size],
    )


def page(
    recorded: Recorded, branch: Branch, first: str, cursor: Cursor, moved: Sequence[Fragment]
) -> tuple[list[int], Counter[str]]:
    """The ids of the next rows of a list of one branch, and the number of its recorded devices by status.

    `moved` are queries of rows as `rows` has them, for the devices that moved.
    """
    sql, params = _found(recorded, branch, first, cursor)
    after, values = cursor.after()
    columns = "id, rank, key" if cursor.name == "attention" else "id, 0 AS rank, key"
    more = "".join(f" UNION ALL SELECT {columns} FROM ({fragment}) AS moved" for fragment, _ in moved)
    with connection.cursor() as database:
        database.execute(
            f"""
            WITH found AS MATERIALIZED ({sql}), page AS (
                SELECT * FROM (SELECT id, rank, key FROM found WHERE {after}{more}) AS rows
                ORDER BY {cursor.order} LIMIT %s
            )
            SELECT 0, row_number() OVER (ORDER BY {cursor.order}), id FROM page
            UNION ALL SELECT 1, code, count(*) FROM found GROUP BY code
            """,
            [*params, *values, *(value for _, values in moved for value in values), cursor.size],
        )
        read = sorted(database.fetchall())
    counts: Counter[str] = Counter()
    for kind, code, number in read:
        if kind:
            counts[status_of(code)] += number
    return [pk for kind, _, pk in read if not kind], counts


def _found(recorded: Recorded, branch: Branch, first: str, cursor: Cursor) -> Fragment:
    """SQL of all devices of a branch: id, code, rank and key."""
    condition, params = conditions(recorded, branch, first=first)
    stalled, stopped_by = recorded_stalled(recorded.at)
    beside = "LEFT JOIN devices_heartbeat ON devices_heartbeat.device_id = d.id"
    return (
        f"""
        SELECT d.id, d.recorded_cell AS code, {KEYS[cursor.name]} AS key,
            CASE WHEN {stalled} THEN {LAST_ATTENTION_RANK} ELSE d.recorded_cell / {LINKS} END AS rank
        FROM devices_device d {beside if cursor.name == "contact" else ""}
        WHERE d.{recorded.column} = ANY(%s) AND d.recorded_cell = ANY(%s::smallint[]) {condition}
        """,
        [*stopped_by, recorded.scope, branch.codes, *params],
    )
