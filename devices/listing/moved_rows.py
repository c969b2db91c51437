"""Devices that moved, whose recorded columns are outdated, as rows of a list behind a cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from devices.listing import sorted_scan
from devices.listing.cursor import Cursor, Moved
from devices.listing.sorted_scan import CONTACT
from fleets.postgres.fragment import Fragment


def moved_rows(moved: Sequence[Moved], cursor: Cursor) -> list[Fragment]:
    """SQL of rows (id, key, ends.

    By attention with rank) of those of `moved` behind the cursor; or no query.
    """
    return MOVED[cursor.name](moved, cursor) if moved else []


def _by_attention(moved: Sequence[Moved], cursor: Cursor) -> list[Fragment]:
    """SQL of the rows by attention, whose keys are parameters, since they are not in the database."""
    after, values = cursor.after()
    columns = [[row.pk for row in moved], [row.rank for row in moved], [row.since for row in moved]]
    return [
        (
            f"""
            SELECT *, false AS ends
            FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[]) AS moved(id, rank, key) WHERE {after}
            """,
            [*columns, *values],
        )
    ]


def _by_column(key: str) -> Callable[[Sequence[Moved], Cursor], list[Fragment]]:
    def query(moved: Sequence[Moved], cursor: Cursor) -> list[Fragment]:
        after, values = cursor.after(key, "d.id")
        rows = "devices_device d LEFT JOIN devices_heartbeat ON devices_heartbeat.device_id = d.id"
        return [
            (
                f"SELECT d.id, {key} AS key, false AS ends FROM {rows} WHERE d.id = ANY(%s) AND {after}",
                [[row.pk for row in moved], *values],
            )
        ]

    return query


MOVED: dict[str, Callable[[Sequence[Moved], Cursor], list[Fragment]]] = {
    "attention": _by_attention,
    "name": _by_column(sorted_scan.KEYS["name"]),
    "contact": _by_column(CONTACT),
    "release": _by_column(sorted_scan.KEYS["release"]),
}
