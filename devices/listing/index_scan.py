"""The ids of one page in any order of a list, by index: no row before the page is read, and few beyond it.

Each branch (devices/listing/branches.py) is a query of its own that gives the first rows of the order after a
place; the first of them all are the page. Rows that share a key stand by id, in the direction of the key.

A device's words are looked up as it is met. Those that have them may all stand at the end of an order, so
only so many are met; where that is not enough, all that have the words are sorted instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connection

from devices.listing import sorted_scan
from devices.listing.branches import (
    DESCRIPTIONS,
    HEARTBEATS,
    Branch,
    Recorded,
    conditions,
    few_by,
    few_in,
    from_rows,
)
from devices.listing.cursor import Moved, Place
from devices.listing.moved_rows import moved_rows
from devices.listing.sorted_scan import CONTACT
from devices.rules.stalled import recorded_stalled
from devices.rules.status_code import LINKS, QUIET, rank_of, status_of
from devices.rules.vocabulary import LAST_ATTENTION_RANK, PROGRESSING, HeartbeatState
from fleets.postgres.fragment import Fragment
from fleets.postgres.keyset import BIGGEST

LOOKED_AT = 80  # rows for each that is wanted, in each scope or cell; then all that have the words are sorted
SELDOM = 4_000  # devices that poll: so few are sorted sooner than they are met among all that poll


def ids(asked: Recorded, moved: Sequence[Moved], place: Place) -> tuple[list[int], Counter[str] | None]:
    """The ids of the next rows after a place, in order; of `moved` those that the list has.

    Where all rows had to be looked at, also how many are recorded in each status.
    """
    branches = [branch for branch in asked.branches if branch.cells]
    if not asked.scope:
        return [], None
    if len(branches) == 1 and (first := few_by(asked, branches[0])):
        return sorted_scan.page(asked, branches[0], first, place, moved_rows(moved, place))
    firsts = [few_by(asked, branch) for branch in branches]
    found, enough = _read(asked, branches, firsts, moved, place)
    if not enough:
        firsts = [
            DESCRIPTIONS if branch.words else first for branch, first in zip(branches, firsts, strict=True)
        ]
        found, _ = _read(asked, branches, firsts, moved, place)
    return found, None


def _read(
    asked: Recorded, branches: Sequence[Branch], firsts: Sequence[str], moved: Sequence[Moved], place: Place
) -> tuple[list[int], bool]:
    """The ids of the next rows, and whether enough were looked at; `firsts`: each branch's table, if any."""
    queries: list[Fragment] = []
    for branch, first in zip(branches, firsts, strict=True):
        if first:
            queries.append(sorted_scan.rows(asked, branch, first, place))
        else:
            queries += BRANCHES[place.name](asked, branch, place)
    queries += moved_rows(moved, place)
    if not queries:
        return [], True
    sql = " UNION ALL ".join(f"({sql})" for sql, _ in queries)
    sql = f"SELECT id, ends FROM ({sql}) AS found ORDER BY {place.order} LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*(param for _, params in queries for param in params), place.size])
        rows = cursor.fetchall()
    return [pk for pk, _ in rows], not any(ends for _, ends in rows)


def _in_order(branch: Branch, key: str, where: Fragment, condition: Fragment, place: Place) -> Fragment:
    """The first devices `d` by a key in SQL: id, key, and whether that is the last one that was looked at.

    Behind that last one, which may not meet the condition, nobody knows.
    """
    order = f"ORDER BY {key} {place.way}, d.id {place.way} LIMIT %s"
    if not branch.words:
        return (
            f"""
            SELECT d.id, {key} AS key, false AS ends FROM devices_device d
            WHERE {where[0]} {condition[0]} {order}
            """,
            [*where[1], *condition[1], place.size],
        )
    most = LOOKED_AT * place.size
    return (
        f"""
        SELECT d.id, {key} AS key, d.number = %s AS ends FROM (
            SELECT *, row_number() OVER () AS number FROM (
                SELECT d.* FROM devices_device d WHERE {where[0]} {order}
            ) AS d
        ) AS d WHERE d.number = %s OR (true {condition[0]}) LIMIT %s
        """,
        [most, *where[1], most, most, *condition[1], place.size],
    )


# By attention: cell after cell, within each the newest change first; what has stalled has a rank of its own


def _by_attention(asked: Recorded, branch: Branch, place: Place) -> Iterable[Fragment]:
    progressing = [cell for cell in branch.cells if status_of(cell) in PROGRESSING]
    others = [cell for cell in branch.cells if status_of(cell) not in PROGRESSING]
    stalled, stopped_by = recorded_stalled(asked.at)
    moves = (f"({stalled}) IS NOT TRUE", stopped_by)
    rank = f"c.cell / {LINKS} AS rank, "
    for cells, condition in ((others, None), (progressing, moves)):
        if bounds := _bounds(cells, place):
            yield _cell_by_cell(
                asked, branch.narrowed(cells, condition), place, "recorded_since", bounds, rank
            )
    if progressing and (bound := _bound(LAST_ATTENTION_RANK, place)):
        yield _stalled(asked, branch.narrowed(progressing), place, bound)


def _stalled(asked: Recorded, branch: Branch, place: Place, bound: tuple[Any, int]) -> Fragment:
    """Those long without progress, by the index of these; few, or a site has other worries than this list."""
    condition, params = conditions(asked, branch, there=[table for table, _ in branch.elsewhere])
    stalled, stopped_by = recorded_stalled(asked.at)
    return (
        f"""
        SELECT d.id, {LAST_ATTENTION_RANK} AS rank, d.recorded_since AS key, false AS ends
        FROM {from_rows(branch)}
        WHERE d.organization_id = ANY(%s) AND d.{asked.column} = ANY(%s)
            AND d.recorded_cell = ANY(%s::smallint[]) AND d.recorded_progress_at <= %s AND {stalled}
            AND (d.recorded_since, d.id) {place.beyond} (%s, %s) {condition}
        ORDER BY key {place.way}, d.id {place.way} LIMIT %s
        """,
        [
            asked.organizations,
            asked.scope,
            branch.cells,
            *stopped_by,
            *stopped_by,
            *bound,
            *params,
            place.size,
        ],
    )


def _bound(rank: int, place: Place) -> tuple[Any, int] | None:
    """After which time and id the rows of a rank begin that are behind the place; None: there are none."""
    if not place.values or ((rank < place.values[0]) is place.backwards and rank != place.values[0]):
        return ("infinity", BIGGEST) if place.falls else ("-infinity", 0)
    return (place.values[1], place.values[2]) if rank == place.values[0] else None


def _bounds(cells: Sequence[int], place: Place) -> list[tuple[int, Any, int]]:
    """The same for each cell that has any."""
    found = [(cell, _bound(rank_of(cell), place)) for cell in cells]
    return [(cell, *bound) for cell, bound in found if bound]


CELLS = "unnest(%s::smallint[], %s::timestamptz[], %s::bigint[]) AS c(cell, key, id)"


def _columns(bounds: Iterable[tuple[int, Any, int]]) -> list[list[Any]]:
    cells, times, pks = zip(*bounds, strict=True)
    return [list(cells), [str(time) for time in times], list(pks)]


def _cell_by_cell(
    asked: Recorded,
    branch: Branch,
    place: Place,
    key: str,
    bounds: list[tuple[int, Any, int]],
    rank: str = "",
) -> Fragment:
    """The first rows of each cell, each by the index that begins with scope and cell."""
    where = f"""d.{asked.column} = scope.id AND d.recorded_cell = c.cell
        AND (d.{key}, d.id) {place.beyond} (c.key, c.id) AND d.{key} IS NOT NULL"""
    near, params = _in_order(branch, f"d.{key}", (where, []), conditions(asked, branch), place)
    return (
        f"""
        SELECT near.id, {rank}near.key, near.ends
        FROM unnest(%s::bigint[]) AS scope(id), {CELLS}, LATERAL ({near}) AS near
        """,
        [asked.scope, *_columns(bounds), *params],
    )


# By the key of a column of the device's own row: name, release


def _by_column(key: str) -> Callable[[Recorded, Branch, Place], Iterable[Fragment]]:
    def query(asked: Recorded, branch: Branch, place: Place) -> Iterable[Fragment]:
        after, values = place.after(key, "d.id")
        where = f"d.{asked.column} = scope.id AND d.recorded_cell = ANY(%s::smallint[]) AND {after}"
        near, params = _in_order(
            branch, key, (where, [branch.cells, *values]), conditions(asked, branch), place
        )
        yield (
            f"SELECT near.* FROM unnest(%s::bigint[]) AS scope(id), LATERAL ({near}) AS near",
            [asked.scope, *params],
        )

    return query


# By last contact: those that poll by their Heartbeat, the others cell after cell


def _by_contact(asked: Recorded, branch: Branch, place: Place) -> Iterable[Fragment]:
    quiet = [cell for cell in branch.cells if _heartbeat(cell) in QUIET]
    polling = [cell for cell in branch.cells if _heartbeat(cell) not in QUIET]
    if quiet:
        first = ("infinity", BIGGEST) if place.falls else ("-infinity", 0)
        bounds = [(cell, *(place.values or first)) for cell in quiet]
        yield _cell_by_cell(asked, branch, place, "recorded_quiet_at", bounds)
    if polling:
        query = _sorted_by_contact if few_in(asked, polling, SELDOM) else _polling
        yield query(asked, branch, polling, place)


def _heartbeat(cell: int) -> str:
    return HeartbeatState.values[cell % len(HeartbeatState)]


def _sorted_by_contact(asked: Recorded, branch: Branch, cells: list[int], place: Place) -> Fragment:
    condition, params = conditions(asked, branch, there=[table for table, _ in branch.elsewhere])
    after, values = place.after(CONTACT, "d.id")
    rows = from_rows(branch)
    if not branch.poll:
        rows += " LEFT JOIN devices_heartbeat ON devices_heartbeat.device_id = d.id"
    return (
        f"""
        SELECT d.id, {CONTACT} AS key, false AS ends FROM {rows}
        WHERE d.{asked.column} = ANY(%s) AND d.recorded_cell = ANY(%s::smallint[]) AND {after} {condition}
        ORDER BY key {place.way}, d.id {place.way} LIMIT %s
        """,
        [asked.scope, cells, *values, *params, place.size],
    )


def _polling(asked: Recorded, branch: Branch, cells: list[int], place: Place) -> Fragment:
    condition, params = conditions(asked, branch, there=[HEARTBEATS])
    after, values = place.after("devices_heartbeat.recorded_contact_at", "devices_heartbeat.device_id")
    fleets, named = ("AND d.fleet_id = ANY(%s)", [asked.fleets]) if asked.fleets else ("", [])
    return (
        f"""
        SELECT near.id, near.key, false AS ends FROM unnest(%s::bigint[]) AS scope(id), LATERAL (
            SELECT d.id, devices_heartbeat.recorded_contact_at AS key
            FROM devices_heartbeat JOIN devices_device d ON d.id = devices_heartbeat.device_id
            WHERE devices_heartbeat.organization_id = scope.id AND devices_heartbeat.due_at IS NOT NULL
                AND d.recorded_cell = ANY(%s::smallint[]) {fleets} AND {after} {condition}
            ORDER BY devices_heartbeat.recorded_contact_at {place.way},
                devices_heartbeat.device_id {place.way} LIMIT %s
        ) AS near
        """,
        [asked.organizations, cells, *named, *values, *params, place.size],
    )


BRANCHES: dict[str, Callable[[Recorded, Branch, Place], Iterable[Fragment]]] = {
    "attention": _by_attention,
    "name": _by_column(sorted_scan.KEYS["name"]),
    "contact": _by_contact,
    "release": _by_column(sorted_scan.KEYS["release"]),
}
