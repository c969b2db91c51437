"""Rollups: how many devices of each status every fleet had at each full hour, computed from the changes.

Written by `settle --watch`, rebuilt by `manage.py tally --rebuild`, checked by devices/integrity/checks.py.
An hour is written once it is certain: deadlines until then are recorded, and no outage can have begun before
it. A change that is dated before an hour and committed much later is included when the next hours are
written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from django.db import connection, transaction

from devices import clock
from devices.clock import Moment
from devices.history import retention
from devices.rules.vocabulary import Status

EVERY: Final = timedelta(hours=1)
MARGIN: Final = timedelta(minutes=1)  # for changes dated before the hour and not committed yet
AGAIN: Final = 5  # hours that are written again with the next one
PORTION: Final = 24  # hours written, or compared, by one statement
WRITING: Final = 0x74616C6C79  # the advisory lock under which rollups are written
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


def columns(expression: str) -> str:
    """SQL expressions, one per status in order, from a template with `{slug}` and `{n}` (from 1)."""
    return ", ".join(expression.format(slug=slug, n=n) for n, slug in enumerate(Status.values, 1))


# The differences of a change: one less of the status before in the fleet before, one more of those after.
MOVES: Final = """LATERAL (
    VALUES (COALESCE(c.left_fleet_id, c.fleet_id), c.before, -1), (c.fleet_id, c.after, 1)
) AS move(fleet_id, status, n)"""
# The rollups of the hours after `base`, whose rollup exists, up to `until`.
HOURS: Final = f"""
WITH change AS (
    SELECT c.organization_id, move.fleet_id,
           date_bin(%(every)s, c.at - interval '1 microsecond', %(epoch)s) + %(every)s AS at,
           {columns("sum(n) FILTER (WHERE status = '{slug}') AS n{n}")}
    FROM fleets_organization o
    JOIN devices_statuschange c ON c.organization_id = o.id AND c.at > %(base)s AND c.at <= %(until)s, {MOVES}
    WHERE move.status IS NOT NULL GROUP BY 1, 2, 3
),
base AS (
    SELECT t.organization_id, t.fleet_id, t.counts
    FROM devices_fleettally t JOIN fleets_organization o ON o.id = t.organization_id
    WHERE t.at = %(base)s AND t.fleet_id IS NOT NULL
),
fleet AS (
    SELECT organization_id, fleet_id FROM base UNION SELECT organization_id, fleet_id FROM change
),
hour AS (
    SELECT at FROM generate_series(%(base)s + %(every)s, %(until)s, %(every)s) AS hour(at)
),
running AS (
    SELECT fleet.organization_id, fleet.fleet_id, hour.at, ARRAY[
        {columns("COALESCE(base.counts[{n}], 0) + COALESCE(sum(change.n{n}) OVER so_far, 0)")}
    ]::integer[] AS counts
    FROM fleet CROSS JOIN hour
    LEFT JOIN base ON base.fleet_id = fleet.fleet_id
    LEFT JOIN change ON change.fleet_id = fleet.fleet_id AND change.at = hour.at
    WINDOW so_far AS (PARTITION BY fleet.fleet_id ORDER BY hour.at)
)
"""
# The first rollup, at `base`: from the newest row of each device.
FIRST: Final = f"""
WITH hour AS (SELECT %(base)s::timestamptz AS at),
running AS (
    SELECT was.organization_id, was.fleet_id, %(base)s::timestamptz AS at,
           ARRAY[{columns("count(*) FILTER (WHERE was.after = '{slug}')")}]::integer[] AS counts
    FROM (
        SELECT DISTINCT ON (device_id) organization_id, fleet_id, after FROM devices_statuschange
        WHERE at <= %(base)s ORDER BY device_id, at DESC, id DESC
    ) AS was
    JOIN fleets_organization o ON o.id = was.organization_id
    WHERE was.after IS NOT NULL GROUP BY 1, 2
)
"""
# The rows to store, of HOURS or FIRST: one for each fleet that had devices, and one for each organization.
ROWS: Final = f"""
SELECT organization_id, fleet_id, at, counts FROM running WHERE 0 <> ANY (counts)
UNION ALL
SELECT o.id, NULL, hour.at, ARRAY[{columns("COALESCE(sum(running.counts[{n}]), 0)")}]::integer[]
FROM fleets_organization o CROSS JOIN hour
LEFT JOIN running ON running.organization_id = o.id AND running.at = hour.at
GROUP BY o.id, hour.at
"""
WRITE: Final = "INSERT INTO devices_fleettally (organization_id, fleet_id, at, counts)"
# Stored rollups that differ from computed ones, of the hours after `since`. Of hours before an organization
# was created none need be stored.
COMPARED: Final = f"""
SELECT organization_id, whose, at, kept.counts, made.counts
FROM (
    SELECT t.organization_id, COALESCE(t.fleet_id, 0) AS whose, t.at, t.counts
    FROM devices_fleettally t JOIN fleets_organization o ON o.id = t.organization_id
    WHERE t.at > %(since)s AND t.at <= %(until)s
) AS kept
FULL JOIN (
    SELECT organization_id, COALESCE(fleet_id, 0) AS whose, at, counts FROM ({ROWS}) AS made
) AS made USING (organization_id, at, whose)
JOIN fleets_organization AS whole ON whole.id = organization_id
WHERE kept.counts IS DISTINCT FROM made.counts
AND NOT (kept.counts IS NULL AND 0 = ALL (made.counts) AND at < whole.created_at)
"""


def floor(at: datetime) -> datetime:
    """The newest full hour at `at`."""
    return at - (at - EPOCH) % EVERY


def certain(at: Moment) -> datetime:
    """The newest full hour whose rollup is certain at `at`."""
    return floor(at.concluded - MARGIN)


@transaction.atomic
def keep(at: datetime | Moment | None = None) -> int:
    """Write the rollups of the certain hours that are missing; returns how many hours. Settle before."""
    _alone()
    until = certain(clock.moment(at))
    with connection.cursor() as cursor:  # hours of a clock that was ahead and was set back
        cursor.execute("DELETE FROM devices_fleettally WHERE at > %s", [until])
    first, newest = _kept()
    if first is None or newest is None:
        return _rebuild(until)
    if newest >= until:
        return 0
    base = max(first, newest - AGAIN * EVERY)
    return sum(_write(start, end) for start, end in _portions(base, until))


@transaction.atomic
def rebuild(at: datetime | Moment | None = None) -> int:
    """Compute all rollups anew from the changes; returns how many hours.

    Meanwhile pages read the old ones.
    """
    _alone()
    return _rebuild(certain(clock.moment(at)))


def wrong(since: datetime | None = None) -> Iterator[tuple[str, list[int] | None, list[int] | None]]:
    """Yields (what, stored counts, computed counts) of rollups that do not follow from the changes: a bug.

    `what` names the fleet or organization and the hour. `since`: only of hours after it, without the last
    AGAIN, which are written again anyway; None: of all hours. One query per PORTION.
    """
    first, newest = _kept()
    if first is None or newest is None:
        return
    if since is None:
        yield from _compared(FIRST, first, first, first - EVERY)
    else:
        first, newest = max(first, floor(since)), newest - AGAIN * EVERY
    for base, until in _portions(first, newest):
        yield from _compared(HOURS, base, until, base)


def _compared(
    sql: str, base: datetime, until: datetime, since: datetime
) -> Iterator[tuple[str, list[int] | None, list[int] | None]]:
    with connection.cursor() as cursor:
        cursor.execute(sql + COMPARED, _params(base, until) | {"since": since})
        for organization, fleet, hour, kept, made in cursor.fetchall():
            yield f"{f'fleet {fleet}' if fleet else f'organization {organization}'} at {hour}", kept, made


def _rebuild(until: datetime) -> int:
    oldest = retention.begins()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM devices_fleettally")
        if oldest is None or floor(oldest) > until:
            return 0
        base = floor(oldest)
        cursor.execute(f"{WRITE} {FIRST} {ROWS}", _params(base, base))
    return 1 + sum(_write(start, end) for start, end in _portions(base, until))


def _write(base: datetime, until: datetime) -> int:
    """Write the rollups of the hours after `base`, whose rollup exists, up to `until`.

    Returns how many hours.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM devices_fleettally WHERE at > %(base)s AND at <= %(until)s", _params(base, until)
        )
        cursor.execute(f"{WRITE} {HOURS} {ROWS}", _params(base, until))
    return int((until - base) / EVERY)


def _portions(first: datetime, last: datetime) -> Sequence[tuple[datetime, datetime]]:
    number = int((last - first) / EVERY)
    ends = [first + hours * EVERY for hours in range(0, number, PORTION)]
    return list(pairwise([*ends, last]))


def _kept() -> tuple[datetime | None, datetime | None]:
    """The first and the newest hour with a rollup; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(at), max(at) FROM devices_fleettally")
        first, newest = cursor.fetchone()
    return first, newest


def _alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITING])


def _params(base: datetime, until: datetime) -> dict[str, Any]:
    return {"every": EVERY, "epoch": EPOCH, "base": base, "until": until}
