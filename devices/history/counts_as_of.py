"""The counts of fleets by status as of any instant of the kept history.

They are computed from the nearest hourly rollup, or from the counters where the present is nearer, and the
changes in between; then corrected for deadlines that had passed by the instant and are not recorded yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from devices.clock import Moment
from devices.history.rollups import MOVES
from devices.models import Device
from devices.rules.vocabulary import Status
from devices.status.reading import passed_ids, unrecorded
from fleets.postgres.fragment import Fragment, compiled


@dataclass(frozen=True)
class Instant:
    """An instant of the past, read at `now`.

    `passed` are the ids of devices with a deadline that had passed by the instant and is not recorded yet;
    `base` is the hour of the nearest rollup, or None where the present is nearer.
    """

    at: Moment
    passed: list[int]
    base: datetime | None
    now: Moment


def instant(at: Moment, now: Moment) -> Instant:
    """The Instant of `at`, read at `now`; a page reads it once. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(NEAREST, {"at": at.at})
        near = [hour for hour in cursor.fetchone() if hour]
    base = min(near, key=lambda hour: abs(hour - at.at), default=None)
    nearer = base is None or now.at - at.at < abs(base - at.at)
    return Instant(at, passed_ids(at), None if nearer else base, now)


NEAREST: Final = """
SELECT (SELECT max(at) FROM devices_fleettally WHERE at <= %(at)s),
       (SELECT min(at) FROM devices_fleettally WHERE at > %(at)s)
"""
ROLLED_UP: Final = """
SELECT t.organization_id, t.fleet_id, part.status, part.number::bigint
FROM devices_fleettally t, unnest(t.counts, %s::text[]) AS part(number, status)
WHERE t.at = %s AND t.organization_id = ANY(%s) AND t.fleet_id IS NOT NULL
"""
COUNTED: Final = """
SELECT organization_id, fleet_id, status, number FROM devices_fleetcount WHERE organization_id = ANY(%s)
"""
CHANGED: Final = f"""
SELECT c.organization_id, move.fleet_id, move.status, %s * move.n FROM devices_statuschange c, {MOVES}
WHERE c.organization_id = ANY(%s) AND c.at > %s AND c.at <= %s AND move.status IS NOT NULL
"""
NOBODY: Final = "SELECT 0::bigint, ''::text, ''::text WHERE false"
COUNT: Final = """
WITH moved (fleet_id, before, after) AS MATERIALIZED ({moved}),
counted (organization_id, fleet_id, status, number) AS ({counted}),
summand (fleet_id, status, number) AS (
    SELECT fleet_id, status, number FROM counted
    UNION ALL SELECT fleet_id, before, -1 FROM moved UNION ALL SELECT fleet_id, after, 1 FROM moved
)
SELECT status, sum(number)::bigint, COALESCE(sum(number) FILTER (WHERE fleet.id IS NULL), 0)::bigint
FROM summand LEFT JOIN fleets_fleet fleet ON fleet.id = summand.fleet_id
WHERE {fleets} GROUP BY status
"""


def counted(organizations: Sequence[int], instant: Instant) -> Fragment:
    """SQL of rows (organization id, fleet id, status, number) to be added up to the counts as of then."""
    at, base, owned = instant.at.at, instant.base, list(organizations)
    if base is None:
        return f"{COUNTED} UNION ALL {CHANGED}", [owned, -1, owned, at, "infinity"]
    between = [1, owned, base, at] if base <= at else [-1, owned, at, base]
    return f"{ROLLED_UP} UNION ALL {CHANGED}", [Status.values, base, owned, *between]


def count(
    organizations: Sequence[int], instant: Instant, fleets: Sequence[int] = ()
) -> tuple[dict[str, int], int]:
    """How many devices of these organizations (by id) had each status as of the instant: all nine, by slug.

    `fleets`, if any, limits the counts to these ids. Also returns how many of the devices were in fleets that
    are deleted.
    """
    sql, params = counted(organizations, instant)
    devices = Device.objects.filter(organization__in=organizations)
    moves = unrecorded(devices, instant.at, instant.passed).order_by()
    columns = ("fleet_id", "recorded_status", "status")
    moved, moved_params = compiled(moves.values_list(*columns)) if instant.passed else (NOBODY, [])
    chosen = "summand.fleet_id = ANY(%s)" if fleets else "true"
    counts, gone = dict.fromkeys(Status.values, 0), 0
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT.format(moved=moved, counted=sql, fleets=chosen),
            [*moved_params, *params, *([list(fleets)] if fleets else [])],
        )
        for slug, number, lost in cursor.fetchall():
            counts[slug] = number
            gone += lost
    return counts, gone
