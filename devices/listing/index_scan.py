"""The index scan: the ids of one page of a list in any order, reading no row before it and few beyond it.

Each branch (devices/listing/branches.py) is a query of its own for the first rows behind a cursor; the first
of all of them are the page. Rows with equal keys are in order of their id, in the direction of the key.

Where words are searched for, each device that the scan meets is looked up, and so is each that may have
stalled. Matching devices may all be at the end of an order, so only a limited number is looked up; where that
is not enough, a sorted scan of all matching devices replaces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection

from devices.listing import sorted_scan
from devices.listing.branches import (
    DESCRIPTIONS,
    HEARTBEATS,
    Branch,
    Recorded,
    conditions,
    few_progressing,
    from_rows,
    sorted_scan_by,
    suits_sorted_scan,
)
from devices.listing.cursor import Cursor, Moved
from devices.listing.in_order import code_by_code, in_order
from devices.listing.moved_rows import moved_rows
from devices.listing.sorted_scan import CONTACT
from devices.rules.stalled import progressed_since, recorded_stalled, stopped_progress
from devices.rules.status_code import LINKS, QUIET, rank_of, status_of
from devices.rules.vocabulary import LAST_ATTENTION_RANK, PROGRESSING, HeartbeatState
from fleets.postgres.fragment import Fragment
from fleets.postgres.keyset import BIGGEST

SELDOM = 4_000  # up to so many devices are sorted faster than found by an index of many others
RANK = f"c.code / {LINKS} AS rank, "  # of the devices with a status code


def ids(recorded: Recorded, moved: Sequence[Moved], cursor: Cursor) -> tuple[list[int], Counter[str] | None]:
    """The ids of the next rows behind a cursor, in order; `moved` are devices of the list that moved.

    Also the number of recorded devices of the whole list by status, if all rows had to be read; else None.
    """
    branches = [branch for branch in recorded.branches if branch.codes]
    if not recorded.scope:
        return [], None
    if len(branches) == 1 and (first := sorted_scan_by(recorded, branches[0])):
        return sorted_scan.page(recorded, branches[0], first, cursor, moved_rows(moved, cursor))
    firsts = [sorted_scan_by(recorded, branch) for branch in branches]
    found, enough = _read(recorded, branches, firsts, moved, cursor)
    if not enough:
        firsts = [
            DESCRIPTIONS if branch.words else first for branch, first in zip(branches, firsts, strict=True)
        ]
        branches = [replace(branch, sorts_stalled=True) for branch in branches]
        found, _ = _read(recorded, branches, firsts, moved, cursor)
    return found, None


def _read(
    recorded: Recorded,
    branches: Sequence[Branch],
    firsts: Sequence[str],
    moved: Sequence[Moved],
    cursor: Cursor,
) -> tuple[list[int], bool]:
    """The ids of the next rows, and whether they are certain: enough devices were looked up.

    `firsts` has for each branch the table of a sorted scan, or an empty text for an index scan.
    """
    queries: list[Fragment] = []
    for branch, first in zip(branches, firsts, strict=True):
        if first:
            queries.append(sorted_scan.rows(recorded, branch, first, cursor))
        else:
            queries += BRANCHES[cursor.name](recorded, branch, cursor)
    queries += moved_rows(moved, cursor)
    if not queries:
        return [], True
    sql = " UNION ALL ".join(f"({sql})" for sql, _ in queries)
    sql = f"SELECT id, ends FROM ({sql}) AS found ORDER BY {cursor.order} LIMIT %s"
    with connection.cursor() as database:
        database.execute(sql, [*(param for _, params in queries for param in params), cursor.size])
        rows = database.fetchall()
    return [pk for pk, _ in rows], not any(ends for _, ends in rows)


# By attention: code after code, within each the newest change first; what has stalled has a rank of its own


def _by_attention(recorded: Recorded, branch: Branch, cursor: Cursor) -> Iterable[Fragment]:
    progressing = [code for code in branch.codes if status_of(code) in PROGRESSING]
    others = [code for code in branch.codes if status_of(code) not in PROGRESSING]
    if bounds := _bounds(others, cursor):
        yield code_by_code(recorded, branch.narrowed(others), cursor, "recorded_since", bounds, RANK)
    if progressing:
        yield from _progressing(recorded, branch, progressing, cursor)


def _progressing(recorded: Recorded, branch: Branch, codes: list[int], cursor: Cursor) -> Iterable[Fragment]:
    """SQL of the first devices that configure or update: of those that make progress, and of the stalled.

    Both have the same status codes. So where one kind is few, its devices are found by the index of progress
    and sorted; else they are found in order, and those of the other kind on the way are passed over.
    """
    stalled, stopped_by = recorded_stalled(recorded.at)
    few_move, few_stalled = few_progressing(recorded, SELDOM)
    moving = branch.narrowed(codes, (f"({stalled}) IS NOT TRUE", stopped_by))
    if few_move and not few_stalled:
        for changed in progressed_since(recorded.at):
            yield _by_progress(recorded, moving, cursor, changed)
    elif bounds := _bounds(codes, cursor):
        yield code_by_code(recorded, moving, cursor, "recorded_since", bounds, RANK)
    if bound := _bound(LAST_ATTENTION_RANK, cursor):
        stopped, rank = branch.narrowed(codes, (stalled, stopped_by)), f"{LAST_ATTENTION_RANK} AS rank, "
        if few_stalled or branch.sorts_stalled:
            yield _by_progress(recorded, stopped, cursor, stopped_progress(recorded.at), rank)
        else:
            bounds = [(code, *bound) for code in codes]
            yield code_by_code(recorded, stopped, cursor, "recorded_since", bounds, rank, is_limited=True)


def _by_progress(
    recorded: Recorded,
    branch: Branch,
    cursor: Cursor,
    changed: Fragment,
    rank: str = f"d.recorded_cell / {LINKS} AS rank, ",
) -> Fragment:
    """SQL of the first devices of a branch whose progress `changed`, sorted; as a rule few."""
    condition, params = conditions(recorded, branch, there=[table for table, _ in branch.elsewhere])
    after, values = cursor.after()
    return (
        f"""
        SELECT id, rank, key, false AS ends FROM (
            SELECT d.id, {rank}d.recorded_since AS key FROM {from_rows(branch)}
            WHERE d.organization_id = ANY(%s) AND {changed[0]} AND d.{recorded.column} = ANY(%s)
                AND d.recorded_cell = ANY(%s::smallint[]) {condition}
        ) AS found WHERE {after} ORDER BY {cursor.order} LIMIT %s
        """,
        [recorded.organizations, *changed[1], recorded.scope, branch.codes, *params, *values, cursor.size],
    )


def _bound(rank: int, cursor: Cursor) -> tuple[Any, int] | None:
    """The time and id after which the rows of a rank are behind the cursor; None: none are behind it."""
    if not cursor.values or ((rank < cursor.values[0]) is cursor.backwards and rank != cursor.values[0]):
        return ("infinity", BIGGEST) if cursor.falls else ("-infinity", 0)
    return (cursor.values[1], cursor.values[2]) if rank == cursor.values[0] else None


def _bounds(codes: Sequence[int], cursor: Cursor) -> list[tuple[int, Any, int]]:
    """(code, time, id) for each status code with rows behind the cursor: after which they are."""
    found = [(code, _bound(rank_of(code), cursor)) for code in codes]
    return [(code, *bound) for code, bound in found if bound]


# By the key of a column of the device's own row: name, release


def _by_column(key: str) -> Callable[[Recorded, Branch, Cursor], Iterable[Fragment]]:
    def query(recorded: Recorded, branch: Branch, cursor: Cursor) -> Iterable[Fragment]:
        after, values = cursor.after(key, "d.id")
        where = f"d.{recorded.column} = scope.id AND d.recorded_cell = ANY(%s::smallint[]) AND {after}"
        by_index = where, [branch.codes, *values]
        near, params = in_order(
            key, by_index, conditions(recorded, branch), cursor, is_limited=bool(branch.words)
        )
        yield (
            f"SELECT near.* FROM unnest(%s::bigint[]) AS scope(id), LATERAL ({near}) AS near",
            [recorded.scope, *params],
        )

    return query


# By last contact: those that poll by their Heartbeat, the others code after code


def _by_contact(recorded: Recorded, branch: Branch, cursor: Cursor) -> Iterable[Fragment]:
    quiet = [code for code in branch.codes if _heartbeat(code) in QUIET]
    polling = [code for code in branch.codes if _heartbeat(code) not in QUIET]
    if quiet:
        first = ("infinity", BIGGEST) if cursor.falls else ("-infinity", 0)
        bounds = [(code, *(cursor.values or first)) for code in quiet]
        yield code_by_code(recorded, branch, cursor, "recorded_quiet_at", bounds)
    if polling:
        query = _sorted_by_contact if suits_sorted_scan(recorded, polling, SELDOM) else _polling
        yield query(recorded, branch, polling, cursor)


def _heartbeat(code: int) -> str:
    return HeartbeatState.values[code % len(HeartbeatState)]


def _sorted_by_contact(recorded: Recorded, branch: Branch, codes: list[int], cursor: Cursor) -> Fragment:
    condition, params = conditions(recorded, branch, there=[table for table, _ in branch.elsewhere])
    after, values = cursor.after(CONTACT, "d.id")
    rows = from_rows(branch)
    if not branch.poll:
        rows += " LEFT JOIN devices_heartbeat ON devices_heartbeat.device_id = d.id"
    return (
        f"""
        SELECT d.id, {CONTACT} AS key, false AS ends FROM {rows}
        WHERE d.{recorded.column} = ANY(%s) AND d.recorded_cell = ANY(%s::smallint[]) AND {after} {condition}
        ORDER BY key {cursor.way}, d.id {cursor.way} LIMIT %s
        """,
        [recorded.scope, codes, *values, *params, cursor.size],
    )


def _polling(recorded: Recorded, branch: Branch, codes: list[int], cursor: Cursor) -> Fragment:
    condition, params = conditions(recorded, branch, there=[HEARTBEATS])
    after, values = cursor.after("devices_heartbeat.recorded_contact_at", "devices_heartbeat.device_id")
    fleets, named = ("AND d.fleet_id = ANY(%s)", [recorded.fleets]) if recorded.fleets else ("", [])
    return (
        f"""
        SELECT near.id, near.key, false AS ends FROM unnest(%s::bigint[]) AS scope(id), LATERAL (
            SELECT d.id, devices_heartbeat.recorded_contact_at AS key
            FROM devices_heartbeat JOIN devices_device d ON d.id = devices_heartbeat.device_id
            WHERE devices_heartbeat.organization_id = scope.id AND devices_heartbeat.due_at IS NOT NULL
                AND d.recorded_cell = ANY(%s::smallint[]) {fleets} AND {after} {condition}
            ORDER BY devices_heartbeat.recorded_contact_at {cursor.way},
                devices_heartbeat.device_id {cursor.way} LIMIT %s
        ) AS near
        """,
        [recorded.organizations, codes, *named, *values, *params, cursor.size],
    )


BRANCHES: dict[str, Callable[[Recorded, Branch, Cursor], Iterable[Fragment]]] = {
    "attention": _by_attention,
    "name": _by_column(sorted_scan.KEYS["name"]),
    "contact": _by_contact,
    "release": _by_column(sorted_scan.KEYS["release"]),
}
