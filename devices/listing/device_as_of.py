"""Devices as of an instant of the kept history, by their newest records until then.

For the devices in `Instant.passed`, with deadlines that had passed and were not recorded, the rules are
evaluated as of the instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import QuerySet

from devices.clock import Moment
from devices.history.counts_as_of import Instant
from devices.models import Device
from devices.rules import vpn_states
from devices.rules.vocabulary import RANKS
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status
from fleets.models import Fleet
from fleets.postgres import name_order
from fleets.postgres.fragment import Fragment, compiled

RANKED: Final = [status.value if status else "" for status in RANKS]  # the past of "stalled" is not kept

ROWS: Final = """
WITH unrecorded (id, status, since, vpn, vpn_since, heartbeat) AS MATERIALIZED ({unrecorded}),
candidate (id, uuid, name, vpn_enabled) AS ({candidates}),
was AS (
    SELECT candidate.id AS pk, candidate.uuid, candidate.name, s.fleet_id,
           COALESCE(unrecorded.status, s.after) AS status,
           CASE WHEN unrecorded.status <> s.after THEN unrecorded.since
                WHEN s.before IS DISTINCT FROM s.after THEN s.at
                ELSE COALESCE((
                    SELECT c.at FROM devices_statuschange c
                    WHERE c.device_id = candidate.id AND c.at <= %s AND c.before IS DISTINCT FROM c.after
                    ORDER BY c.at DESC, c.id DESC LIMIT 1
                ), s.at) END AS status_since
    FROM candidate
    CROSS JOIN LATERAL (
        SELECT c.before, c.after, c.at, c.fleet_id FROM devices_statuschange c
        WHERE c.device_id = candidate.id AND c.at <= %s ORDER BY c.at DESC, c.id DESC LIMIT 1
    ) AS s
    LEFT JOIN unrecorded ON unrecorded.id = candidate.id
    WHERE s.after IS NOT NULL {condition}
),
ranked AS (
    SELECT *, array_position(%s::text[], status::text) - 1 AS rank, {sort_name} AS sort_name FROM was
)
"""
NOBODY: Final = """SELECT NULL::bigint, NULL::text, NULL::timestamptz,
    NULL::bool, NULL::timestamptz, NULL::text WHERE false"""

# The state of a link as of an instant: its newest record until then.
RECORD: Final = """
    SELECT {columns} FROM devices_connectivityrecord r
    WHERE r.device_id = {device} AND r.link = {link} AND r.at <= %s
    ORDER BY r.at DESC, r.id DESC LIMIT 1
"""
LINKS: Final = f"""
SELECT named.id, kind.link, newest.after, newest.at
FROM unnest(%s::bigint[]) AS named(id), (VALUES ('vpn'), ('heartbeat')) AS kind(link), LATERAL (
    {RECORD.format(columns="r.after, r.at", device="named.id", link="kind.link")}
) AS newest
"""


def _link(link: str, unrecorded: str) -> str:
    """SQL of the state of a link of a candidate, `unrecorded` (SQL) first; null: never seen.

    Its parameter is the instant.
    """
    record = RECORD.format(columns="r.after", device="candidate.id", link=f"'{link}'")
    return f"COALESCE({unrecorded}, ({record}))"


# SQL of the states of a candidate's links, as icons show them; the parameter of each is the instant.
VPN_STATE: Final = vpn_states.state_sql(
    _link(
        "vpn",
        "CASE WHEN unrecorded.vpn THEN 'connected'"
        " WHEN unrecorded.vpn_since IS NOT NULL THEN 'disconnected' END",
    ),
    "candidate.vpn_enabled",
)
HEARTBEAT: Final = f"COALESCE({_link('heartbeat', 'unrecorded.heartbeat')}, 'unknown')"


@dataclass(frozen=True)
class Was:
    """A device's status as of an instant; the device may be deleted by now. `rank` is an index of RANKS."""

    pk: int
    uuid: str
    name: str
    fleet_id: int
    status: str
    status_since: datetime
    rank: int
    sort_name: str


# The columns of `ranked` that make a Was.
COLUMNS: Final = "pk, uuid, name, fleet_id, status, status_since, rank, sort_name"


def ranked(
    candidates: Sequence[Fragment], condition: Fragment, instant: Instant, within: QuerySet[Device]
) -> Fragment:
    """SQL of a WITH clause that ends with `ranked`: each candidate that existed as of the instant.

    `candidates` are queries of (id, uuid, name, vpn_enabled). `condition` begins with AND, or is empty; it
    may name the newest change `s`, `unrecorded`, VPN_STATE and HEARTBEAT. `within` has all candidates that
    are not deleted.
    """
    passed = instant.passed
    moved, params = _unrecorded(within.filter(pk__in=passed), instant.at) if passed else (NOBODY, [])
    sql = ROWS.format(
        unrecorded=moved,
        candidates=" UNION ".join(sql for sql, _ in candidates),
        condition=condition[0],
        sort_name=name_order.sql("name"),
    )
    among = [param for _, params in candidates for param in params]
    return sql, [*params, *among, instant.at.at, instant.at.at, *condition[1], RANKED]


def _unrecorded(devices: QuerySet[Device], at: Moment) -> Fragment:
    columns = ("pk", "status", "status_since", "vpn", "vpn_since", "heartbeat")
    return compiled(with_status(devices.order_by(), at).values_list(*columns))


@dataclass(frozen=True)
class Link:
    """The state of a link, and since when; both None: it was never seen."""

    state: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class DeviceAsOf:
    """A device as of an instant, and at present.

    `fleet` is the one that it was in, `device` the device at present; each is None if deleted.
    """

    was: Was
    fleet: Fleet | None
    vpn: Link
    heartbeat: Link
    device: DeviceWithStatus | None


def devices_as_of(found: Sequence[Was], instant: Instant) -> list[DeviceAsOf]:
    """The devices of `found` as of the instant and at present, in that order. Five queries at most."""
    ids = [device.pk for device in found]
    there = with_status(Device.objects.filter(pk__in=ids), instant.now).select_related("fleet")
    present = {device.pk: device for device in there}
    vpn, heartbeat = _links(ids, instant)
    fleets = Fleet.objects.in_bulk({device.fleet_id for device in found})
    return [
        DeviceAsOf(
            device,
            fleets.get(device.fleet_id),
            vpn.get(device.pk, Link()),
            heartbeat.get(device.pk, Link()),
            present.get(device.pk),
        )
        for device in found
    ]


def _links(ids: Sequence[int], instant: Instant) -> tuple[dict[int, Link], dict[int, Link]]:
    """The VPNs and the heartbeats of these devices (by id) as of the instant; without those never seen."""
    states: dict[str, dict[int, Link]] = {"vpn": {}, "heartbeat": {}}
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [list(ids), instant.at.at])
        for pk, link, state, since in cursor.fetchall():
            states[link][pk] = Link(state, since)
    moved = sorted({*ids} & {*instant.passed})
    for device in with_status(Device.objects.filter(pk__in=moved), instant.at) if moved else ():
        if vpn := vpn_states.recorded_as(connected=device.vpn, changed_at=device.vpn_since):
            states["vpn"][device.pk] = Link(vpn, device.vpn_since)
        states["heartbeat"][device.pk] = Link(device.heartbeat, device.heartbeat_since)
    return states["vpn"], states["heartbeat"]
