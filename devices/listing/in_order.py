"""SQL of the first devices of a branch in order, by an index that has them in this order (index_scan.py)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from devices.listing.branches import Branch, Recorded, conditions
from devices.listing.cursor import Cursor
from fleets.postgres.fragment import Fragment

LOOKED_AT = 80  # devices that are looked up for each wanted row, per scope or status code


def in_order(key: str, where: Fragment, condition: Fragment, cursor: Cursor, *, is_limited: bool) -> Fragment:
    """SQL of the first devices `d` in order of a key (SQL): rows (id, key, ends).

    `where` is a condition by the index, `condition` one by lookup; `is_limited`: of a limited number. `ends`
    marks the last device that was looked up, which may not meet the condition: what is behind it is unknown.
    """
    order = f"ORDER BY {key} {cursor.way}, d.id {cursor.way} LIMIT %s"
    if not is_limited:
        return (
            f"""
            SELECT d.id, {key} AS key, false AS ends FROM devices_device d
            WHERE {where[0]} {condition[0]} {order}
            """,
            [*where[1], *condition[1], cursor.size],
        )
    most = LOOKED_AT * cursor.size
    return (
        f"""
        SELECT d.id, {key} AS key, d.number = %s AS ends FROM (
            SELECT *, row_number() OVER () AS number FROM (
                SELECT d.* FROM devices_device d WHERE {where[0]} {order}
            ) AS d
        ) AS d WHERE d.number = %s OR (true {condition[0]}) LIMIT %s
        """,
        [most, *where[1], most, most, *condition[1], cursor.size],
    )


CODES = "unnest(%s::smallint[], %s::timestamptz[], %s::bigint[]) AS c(code, key, id)"


def _columns(bounds: Iterable[tuple[int, Any, int]]) -> list[str]:
    """Codes, times and ids as PostgreSQL writes arrays, which takes less than a parameter for each."""
    return [f"{{{','.join(map(str, column))}}}" for column in zip(*bounds, strict=True)]


def code_by_code(
    recorded: Recorded,
    branch: Branch,
    cursor: Cursor,
    key: str,
    bounds: list[tuple[int, Any, int]],
    rank: str = "",
    *,
    is_limited: bool = False,
) -> Fragment:
    """SQL of the first rows of each status code, by an index that begins with scope and status code."""
    where = f"""d.{recorded.column} = scope.id AND d.recorded_cell = c.code
        AND (d.{key}, d.id) {cursor.beyond} (c.key, c.id) AND d.{key} IS NOT NULL"""
    near, params = in_order(
        f"d.{key}",
        (where, []),
        conditions(recorded, branch),
        cursor,
        is_limited=is_limited or bool(branch.words),
    )
    return (
        f"""
        SELECT near.id, {rank}near.key, near.ends
        FROM unnest(%s::bigint[]) AS scope(id), {CODES}, LATERAL ({near}) AS near
        """,
        [recorded.scope, *_columns(bounds), *params],
    )
