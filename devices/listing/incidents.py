"""What needs attention, as lines: devices that were lost together and share something are one line.

Together means within five minutes; shared may be a VPN server, a public address, a release, a tag, a fleet.
Grouped in SQL, over the newest devices in trouble alone, so that the cost of an outage has a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from devices.models import Device
from devices.rules.status_code import VPN, cells
from devices.rules.vocabulary import WORST, HeartbeatState
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import ATTENTION, moved_ids, stalled, with_status
from fleets.postgres.fragment import Fragment, compiled
from fleets.postgres.keyset import Key, Order, Page, after_sql, order_sql, page_of

LOOKED_AT: Final = 1_000  # devices in trouble, the newest: the rest is told as a number
TOGETHER: Final = timedelta(minutes=5)
MANY: Final = 5  # devices are a group, fewer are lines of their own
NAMED: Final = 8  # devices of a group that are named

# What devices of a group share, the first that explains most of its devices is said. One of the last three
# only where none of the first three does: too many devices share a tag or a release that were not lost.
SERVER, ADDRESS, WHOLE_FLEET, TAG, RELEASE, FLEET = range(1, 7)

ORDER: Order = (Key("rank", int), Key("newest", datetime, descending=True), Key("id", str))

LINES = """
WITH trouble (id, fleet, rank, since, vpn_since, polled, progressed, address, server, release, tags)
    AS MATERIALIZED ({trouble}),
-- What was lost: the VPN of a device that was never heard of after it was lost, though the heartbeat's
-- deadline came later; so a site without power is one incident, however its devices poll.
lost AS (
    SELECT *, CASE WHEN rank = 3 THEN 'progress' WHEN rank = 2 THEN 'heartbeat'
                   WHEN vpn_since IS NOT NULL AND (rank = 1 OR vpn_since >= COALESCE(polled, vpn_since))
                   THEN 'vpn' WHEN rank = 1 THEN 'never' ELSE 'heartbeat' END AS what
    FROM trouble
),
dated AS (
    SELECT *, CASE what WHEN 'vpn' THEN vpn_since WHEN 'progress' THEN progressed ELSE since END AS moment
    FROM lost
),
shared AS (
    SELECT id, what, moment, 1 AS kind, server::text COLLATE "C" AS key FROM dated
    WHERE server IS NOT NULL AND what = 'vpn'
    UNION ALL SELECT id, what, moment, 2, host(address) FROM dated WHERE address IS NOT NULL
    UNION ALL SELECT id, what, moment, 5, fleet || ' ' || release FROM dated WHERE release <> ''
    UNION ALL SELECT dated.id, what, moment, 4, tag.key || '=' || COALESCE(tag.value, '')
    FROM dated, jsonb_each_text(CASE WHEN jsonb_typeof(tags) = 'object' THEN tags ELSE '{{}}' END) AS tag
    UNION ALL SELECT id, what, moment, 6, fleet::text FROM dated
),
-- Who was lost close to each other is of one session; it is cut into spans of five minutes around its
-- densest one.
stepped AS (
    SELECT *, moment - lag(moment) OVER (PARTITION BY kind, key, what ORDER BY moment, id)
                  > interval '5 minutes' AS apart,
           count(*) OVER (PARTITION BY kind, key, what ORDER BY moment
                          RANGE BETWEEN CURRENT ROW AND interval '5 minutes' FOLLOWING) AS ahead
    FROM shared
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE apart) OVER (PARTITION BY kind, key, what ORDER BY moment, id) AS session
    FROM stepped
),
anchored AS (
    SELECT *, first_value(moment) OVER (PARTITION BY kind, key, what, session
                                        ORDER BY ahead DESC, moment, id) AS anchor
    FROM numbered
),
spanned AS (
    SELECT id, kind, key, what,
           dense_rank() OVER (ORDER BY kind, key, what, session,
                              floor(extract(epoch FROM moment - anchor) / 300)) AS incident
    FROM anchored
),
counted AS (SELECT *, count(*) OVER (PARTITION BY incident) AS n FROM spanned),
placed AS (
    SELECT counted.id, counted.key, incident, n,
           CASE WHEN kind = 6 AND n >= 0.8 * fleet.number THEN 3 ELSE kind END AS place
    FROM counted LEFT JOIN (
        SELECT fleet_id::text AS key, sum(number) AS number FROM devices_fleetcount
        WHERE fleet_id IN (SELECT fleet FROM trouble) GROUP BY fleet_id
    ) AS fleet ON kind = 6 AND fleet.key = counted.key
    WHERE n >= {many}
),
contending AS (
    SELECT *, max(n) OVER (PARTITION BY id) AS most,
           max(n) FILTER (WHERE place <= 3) OVER (PARTITION BY id) AS better
    FROM placed
),
best AS (
    SELECT DISTINCT ON (id) id, incident FROM contending
    WHERE n >= 0.8 * most OR (place <= 3 AND n >= 0.8 * better)
    ORDER BY id, place, n DESC, key
),
explained AS MATERIALIZED (
    SELECT id, incident FROM (SELECT *, count(*) OVER (PARTITION BY incident) AS assigned FROM best) AS best
    WHERE assigned >= {many}
),
line AS (
    SELECT md5(concat_ws('|', kind, key, counted.what, extract(epoch FROM min(moment)))) AS id,
           kind, key, counted.what, min(rank) AS rank, max(since) AS newest, min(moment) AS first,
           max(moment) AS last,
           ARRAY[count(*) FILTER (WHERE rank = 0), count(*) FILTER (WHERE rank = 1),
                 count(*) FILTER (WHERE rank = 2), count(*) FILTER (WHERE rank = 3)] AS numbers,
           (array_agg(dated.id ORDER BY moment DESC, dated.id))[1:{named}] AS devices
    FROM counted JOIN dated USING (id)
    WHERE incident IN (SELECT incident FROM explained)
    GROUP BY incident, kind, key, counted.what
    UNION ALL
    SELECT 'device-' || id, 0, '', what, rank, since, since, since,
           ARRAY[(rank = 0)::int, (rank = 1)::int, (rank = 2)::int, (rank = 3)::int], ARRAY[id]
    FROM dated WHERE id NOT IN (SELECT id FROM explained)
)
SELECT * FROM line WHERE {where} ORDER BY {order} LIMIT %s
"""


@dataclass(frozen=True)
class Line:
    """Devices that were lost together, or one alone (`kind` 0). The fields are the columns of LINES."""

    id: str
    kind: int
    key: str
    what: str  # vpn, heartbeat, progress, or never: was not connected yet
    rank: int  # of the worst
    newest: datetime  # change of status
    first: datetime  # when the first and the last of them was lost
    last: datetime
    numbers: tuple[int, ...]  # by rank
    devices: tuple[int, ...]  # ids of the first few

    @property
    def number(self) -> int:
        return sum(self.numbers)


@dataclass(frozen=True)
class Among:
    """Whose devices are looked at: those of organizations, or of one fleet of theirs; by primary keys."""

    organizations: tuple[int, ...]
    fleet: int | None = None

    @property
    def devices(self) -> QuerySet[Device]:
        mine = Device.objects.filter(organization__in=self.organizations)
        return mine if self.fleet is None else mine.filter(fleet=self.fleet)


def lines(among: Among, size: int, at: datetime, *, after: str = "", before: str = "") -> Page[Any]:
    """A page of what needs attention, the worst and newest first. Raises keyset.UnreadableCursor."""
    return page_of(partial(_take, among, at), ORDER, size, after=after, before=before)


def lines_named(among: Among, ids: Sequence[str], at: datetime) -> list[Line]:
    """The lines that a page already shows, in its order; without those that are no more."""
    found = {line.id: line for line in _read(among, at, ("id = ANY(%s)", [list(ids)]), "id", len(ids))}
    return [found[each] for each in ids if each in found]


def trouble(among: Among, at: datetime) -> QuerySet[DeviceWithStatus]:
    """The newest that need attention, at most LOOKED_AT, annotated as by with_status."""
    moved = moved_ids(at)
    ids = [*_newest_recorded(among), *moved]
    ids += stalled(among.devices, at, moved).order_by().values_list("pk", flat=True)
    newest = with_status(among.devices.filter(pk__in=ids), at).filter(ATTENTION)
    return newest.order_by("-status_since", "-pk")[:LOOKED_AT]


def _newest_recorded(among: Among) -> list[int]:
    column, ids = ("organization", among.organizations) if among.fleet is None else ("fleet", [among.fleet])
    with connection.cursor() as cursor:
        cursor.execute(NEWEST.format(column=column), {"ids": list(ids), "cells": TROUBLE, "most": LOOKED_AT})
        return [pk for (pk,) in cursor.fetchall()]


# By the indexes of the lists by attention, cell by cell: what is older is not read.
TROUBLE: Final = cells(WORST, VPN, HeartbeatState.values)
NEWEST: Final = """
SELECT near.id
FROM unnest(%(ids)s::bigint[]) AS scope(id), unnest(%(cells)s::smallint[]) AS c(cell), LATERAL (
    SELECT d.id, d.recorded_since FROM devices_device d
    WHERE d.{column}_id = scope.id AND d.recorded_cell = c.cell
    ORDER BY d.recorded_since DESC, d.id DESC LIMIT %(most)s
) AS near
ORDER BY near.recorded_since DESC, near.id DESC LIMIT %(most)s
"""


def _take(among: Among, at: datetime, order: Order, size: int, values: list[Any] | None) -> list[Line]:
    by = order_sql(order)
    return _read(among, at, after_sql(order, values), by, size)


# The columns of the CTE of that name in LINES.
READ: Final = (
    *("pk", "fleet_id", "rank", "status_since", "vpn_since", "poll__last_poll_at", "progress_changed_at"),
    *("public_address", "vpn_server_id", "release", "tags"),
)


def _read(among: Among, at: datetime, where: Fragment, order: str, limit: int) -> list[Line]:
    try:
        sql, params = compiled(trouble(among, at).values_list(*READ))
    except EmptyResultSet:  # nobody is, any more
        return []
    text = LINES.format(trouble=sql, many=MANY, named=NAMED, where=where[0], order=order)
    with connection.cursor() as cursor:
        cursor.execute(text, [*params, *where[1], limit])
        return [_line(row) for row in cursor.fetchall()]


def _line(row: tuple[Any, ...]) -> Line:
    pk, kind, key, what, rank, newest, first, last, numbers, devices = row
    return Line(pk, kind, key, what, rank, newest, first, last, tuple(numbers), tuple(devices))
