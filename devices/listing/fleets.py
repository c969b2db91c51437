"""Fleet summaries: counts, what needs attention, and the last change of fleets, searched and sorted in SQL.

One statement over the counters and the few devices that are not in them rightly, so that all numbers of a
row are of one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import connection

from devices.clock import Moment
from devices.listing.filters import in_organizations
from devices.rules.vocabulary import WORST, Status
from devices.status import reading
from devices.status.counts import count_stalled
from fleets.models import Organization
from fleets.postgres import name_order
from fleets.postgres.fragment import Fragment, compiled
from fleets.postgres.keyset import Key, Order, Page, after_sql, order_sql, page_of

NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # the last change of a fleet in which nothing changed yet

# SQL of columns in SUMMARY.
READ = {
    "by_name": name_order.sql("fleet.name"),
    "counts": ", ".join(
        f"COALESCE(sum(number) FILTER (WHERE status = '{slug}'), 0) AS n{index}"
        for index, slug in enumerate(Status.values)
    ),
}
SUMMARIES = """
WITH moved (fleet_id, before, after, since) AS MATERIALIZED ({moved}),
summand (fleet_id, status, number, stalled, changed_at) AS (
    SELECT fleet_id, status, number, 0, changed_at FROM devices_fleetcount WHERE organization_id = ANY(%s)
    UNION ALL SELECT fleet_id, before, -1, 0, NULL FROM moved
    UNION ALL SELECT fleet_id, after, 1, 0, since FROM moved
    UNION ALL SELECT stalled.fleet_id, NULL, 0, stalled.number, NULL
    FROM unnest(%s::bigint[], %s::bigint[]) AS stalled (fleet_id, number)
),
"""
SUMMARY = """
summary AS (
    SELECT fleet.id, fleet.slug, fleet.name, fleet.type, fleet.device_type, {by_name} AS by_name,
           {counts},
           COALESCE(sum(number), 0)::bigint AS devices,
           (COALESCE(sum(number) FILTER (WHERE status = ANY(%s)), 0) + COALESCE(sum(stalled), 0))::bigint
               AS attention,
           COALESCE(max(changed_at), %s) AS changed_at
    FROM fleets_fleet fleet LEFT JOIN summand ON summand.fleet_id = fleet.id
    WHERE fleet.organization_id = ANY(%s)
      AND concat_ws(' ', fleet.name, fleet.slug, fleet.device_type, fleet.type) ILIKE ALL(%s::text[])
    GROUP BY fleet.id
)
SELECT * FROM summary WHERE {where} ORDER BY {order} LIMIT %s
"""

# The orders of the table by name; a leading "-" reverses the first column. Equal fleets are in order of name.
_LAST = (Key("by_name", str), Key("id", int))
SORTS: dict[str, Order] = {
    "attention": (Key("attention", int, descending=True), *_LAST),
    "name": _LAST,
    "devices": (Key("devices", int, descending=True), *_LAST),
    "change": (Key("changed_at", datetime, descending=True), *_LAST),
}


NOBODY = "SELECT NULL::bigint, NULL::text, NULL::text, NULL::timestamptz WHERE false"


@dataclass(frozen=True)
class Uncounted:
    """What the counters of some organizations lack at a moment."""

    moved: list[int]  # the ids of all devices that moved
    stalled: dict[int, int]  # by fleet id, how many devices have stalled


def uncounted(organizations: Sequence[Organization], at: Moment) -> Uncounted:
    """What the counters of these organizations lack at `at`; a page reads it once.

    Two queries, by indexes, unless very many have stalled.
    """
    moved = reading.moved_ids(at)
    return Uncounted(moved, count_stalled(in_organizations(organizations), at, moved))


@dataclass(frozen=True)
class FleetSummary:
    """A row of the Fleets page; `id` to `changed_at` are columns of SUMMARY, by which it is sorted."""

    id: int
    slug: str
    name: str
    type: str
    device_type: str
    by_name: str  # the sort key of the name
    counts: dict[str, int]  # by status (slug), all nine
    devices: int
    attention: int  # how many devices need attention
    changed_at: datetime  # the last change; NEVER: none yet


def order_named(name: str) -> Order:
    """The order of that name, with its first column reversed by a leading "-". Raises KeyError."""
    first, *others = SORTS[name.removeprefix("-")]
    return (first.reversed() if name.startswith("-") else first, *others)


def summaries(
    organizations: Sequence[Organization],
    text: str,
    order: Order,
    size: int,
    at: Moment,
    uncounted: Uncounted,
    *,
    after: str = "",
    before: str = "",
) -> Page[Any]:
    """A page of `size` summaries of fleets whose name, slug or types contain all words of `text`.

    `after` and `before` are cursors. Raises keyset.UnreadableCursor.
    """
    return page_of(
        partial(_take, organizations, text, at, uncounted), order, size, after=after, before=before
    )


def summaries_of(
    organizations: Sequence[Organization], slugs: Sequence[str], at: Moment, uncounted: Uncounted
) -> list[FleetSummary]:
    """The summaries of the fleets with these slugs, in that order, without deleted ones: for a refresh."""
    found = _read(organizations, "", at, uncounted, ("slug = ANY(%s)", [list(slugs)]), "id", len(slugs))
    by_slug = {fleet.slug: fleet for fleet in found}
    return [by_slug[slug] for slug in slugs if slug in by_slug]


def _take(
    organizations: Sequence[Organization],
    text: str,
    at: Moment,
    uncounted: Uncounted,
    order: Order,
    size: int,
    values: list[Any] | None,
) -> list[FleetSummary]:
    by = order_sql(order)
    return _read(organizations, text, at, uncounted, after_sql(order, values), by, size)


def _read(
    organizations: Sequence[Organization],
    text: str,
    at: Moment,
    uncounted: Uncounted,
    where: Fragment,
    order: str,
    limit: int,
) -> list[FleetSummary]:
    if not organizations:
        return []
    ids = [organization.pk for organization in organizations]
    moved, moved_params = moves(organizations, at, uncounted.moved) if uncounted.moved else (NOBODY, [])
    sql = SUMMARIES.format(moved=moved) + SUMMARY.format(**READ, where=where[0], order=order)
    stalled = [list(uncounted.stalled), list(uncounted.stalled.values())]
    params = [*moved_params, ids, *stalled, *summary_params(ids, text), *where[1], limit]
    return read(sql, params)


def summary_params(organizations: list[int], text: str) -> list[Any]:
    """The parameters of SUMMARY before those of its condition and its limit."""
    words = [f"%{_escaped(word)}%" for word in text.split()]
    return [[status.value for status in WORST], NEVER, organizations, words]


def read(sql: str, params: list[Any]) -> list[FleetSummary]:
    """Run a statement that ends with SUMMARY; a FleetSummary for each row."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [_summary(row) for row in cursor.fetchall()]


def _summary(row: tuple[Any, ...]) -> FleetSummary:
    counts = dict(zip(Status.values, map(int, row[6:15]), strict=True))
    pk, slug, name, kind, device_type, by_name = row[:6]
    devices, attention, changed_at = row[15:]
    return FleetSummary(pk, slug, name, kind, device_type, by_name, counts, devices, attention, changed_at)


def moves(organizations: Sequence[Organization], at: Moment, moved: list[int]) -> Fragment:
    """SQL of (fleet id, recorded status, status, since) of those `moved` devices whose status differs."""
    moves = reading.unrecorded(in_organizations(organizations), at, moved)
    return compiled(moves.values_list("fleet_id", "recorded_status", "status", "status_since"))


def _escaped(word: str) -> str:
    """A word, escaped for a pattern of LIKE."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
