"""Fleet summaries as of an instant of the kept history, searched and sorted as those of the present."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from devices.history import counts_as_of
from devices.history.counts_as_of import Instant
from devices.listing.fleets import NOBODY, READ, SUMMARY, FleetSummary, moves, read, summary_params
from fleets.models import Organization
from fleets.postgres.fragment import Fragment
from fleets.postgres.keyset import Order, Page, after_sql, order_sql, page_of

# The last change is looked up for each fleet. Which devices had stalled is not kept.
AS_OF = """
WITH moved (fleet_id, before, after, since) AS MATERIALIZED ({moved}),
counted (organization_id, fleet_id, status, number) AS ({counted}),
summand (fleet_id, status, number, stalled, changed_at) AS (
    SELECT fleet_id, status, number, 0, NULL::timestamptz FROM counted
    UNION ALL SELECT fleet_id, before, -1, 0, NULL FROM moved
    UNION ALL SELECT fleet_id, after, 1, 0, since FROM moved
    UNION ALL SELECT fleet.id, NULL, 0, 0, newest.at
    FROM fleets_fleet fleet, LATERAL (
        SELECT at FROM devices_statuschange
        WHERE fleet_id = fleet.id AND at <= %s ORDER BY at DESC, id DESC LIMIT 1
    ) AS newest
    WHERE fleet.organization_id = ANY(%s)
),
"""
# A fleet that was created later did not exist, unless it had devices (when it was moved, say).
THERE = "(devices > 0 OR id IN (SELECT id FROM fleets_fleet WHERE created_at <= %s))"


def summaries_as_of(
    organizations: Sequence[Organization],
    instant: Instant,
    text: str,
    order: Order,
    size: int,
    *,
    after: str = "",
    before: str = "",
) -> Page[Any]:
    """A page of `size` summaries as of the instant, of fleets whose name, slug or types contain all words.

    `after` and `before` are cursors. Raises keyset.UnreadableCursor.
    """
    counted = counts_as_of.counted([organization.pk for organization in organizations], instant)
    take = partial(_take, organizations, text, instant, counted)
    return page_of(take, order, size, after=after, before=before)


def _take(
    organizations: Sequence[Organization],
    text: str,
    instant: Instant,
    counted: Fragment,
    order: Order,
    size: int,
    values: list[Any] | None,
) -> list[FleetSummary]:
    if not organizations:
        return []
    ids = [organization.pk for organization in organizations]
    moved, moved_params = moves(organizations, instant.at, instant.passed) if instant.passed else (NOBODY, [])
    where, where_params = after_sql(order, values)
    by = order_sql(order)
    sql = AS_OF.format(moved=moved, counted=counted[0])
    sql += SUMMARY.format(**READ, where=f"{where} AND {THERE}", order=by)
    params = [*moved_params, *counted[1], instant.at.at, ids, *summary_params(ids, text), *where_params]
    return read(sql, [*params, instant.at.at, size])
