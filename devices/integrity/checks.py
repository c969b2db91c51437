"""Integrity checks: whether recorded statuses, histories, counters and rollups follow from the facts.

Each statement reads a part of the devices in one snapshot, so that concurrent writes neither disagree nor
wait. Run nightly by the worker (devices/integrity/nightly.py), after every random sequence of the tests, and
by `manage.py verify_status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from django.db import connection
from django.db.models import Count

from devices import clock
from devices.clock import Moment
from devices.clock import steps as ahead
from devices.history import rollups
from devices.integrity import counters
from devices.integrity.recompute import DISAGREES
from devices.models import Device
from devices.rules import vpn_states
from devices.status.counts import count_by_status
from devices.status.expressions import status_over
from devices.status.reading import with_status
from fleets.models import Organization
from fleets.postgres.snapshot import one_snapshot

IDS_AT_ONCE: Final = 200_000  # ids of devices that one statement covers
AHEAD: Final = "a record in the future"

RULES: Final = "the status by the rules"

# Each check finds rows: what is wrong (a UUID or an id), what is recorded, and what it should be.
BY_RULES: Final = f"""
SELECT d.uuid, d.recorded_status, {status_over()} FROM devices_device d
WHERE d.id > %(after)s AND d.id <= %(last)s AND {DISAGREES}
"""
NEWEST_STATUS: Final = """
SELECT d.uuid, newest.after || ' since ' || newest.at, d.recorded_status || ' since '
       || COALESCE(d.recorded_status_at, d.created_at)
FROM devices_device d LEFT JOIN LATERAL (
    SELECT after, at FROM devices_statuschange WHERE device_id = d.id AND before IS DISTINCT FROM after
    ORDER BY at DESC, id DESC LIMIT 1
) AS newest ON true
WHERE d.id > %(after)s AND d.id <= %(last)s AND (newest.after, newest.at)
    IS DISTINCT FROM (d.recorded_status, COALESCE(d.recorded_status_at, d.created_at))
"""
NEWEST_LINK: Final = f"""
SELECT d.uuid, newest.link || ' ' || newest.after || ' since ' || newest.at,
       recorded.state || ' since ' || recorded.at
FROM devices_device d, LATERAL (
    VALUES ('vpn', {vpn_states.RECORDED}, d.vpn_changed_at),
           ('heartbeat', d.heartbeat_state, d.heartbeat_changed_at)
) AS recorded(link, state, at), LATERAL (
    SELECT link, after, at FROM devices_connectivityrecord r
    WHERE device_id = d.id AND r.link = recorded.link ORDER BY at DESC, id DESC LIMIT 1
) AS newest
WHERE d.id > %(after)s AND d.id <= %(last)s
  AND (newest.after, newest.at) IS DISTINCT FROM (recorded.state, recorded.at)
"""
DEADLINES: Final = """
SELECT d.uuid, d.heartbeat_state, should.state
FROM devices_device d LEFT JOIN devices_heartbeat h ON h.device_id = d.id, LATERAL (
    SELECT CASE WHEN h.device_id IS NULL THEN 'unknown' WHEN h.due_at = h.late_at THEN 'recent'
                WHEN h.due_at = h.lost_at THEN 'late' ELSE 'lost' END AS state
) AS should
WHERE d.id > %(after)s AND d.id <= %(last)s AND d.heartbeat_state <> should.state
  -- a heartbeat that was read from a source has no deadlines
  AND NOT (h.device_id IS NULL AND EXISTS (SELECT FROM devices_mirroreddevice m WHERE m.device_id = d.id))
"""
# A VPN server that has sent a sign has a lease until its end is recorded with every device (domain.md, VPN).
LEASES: Final = """
SELECT d.uuid, 'connected to ' || s.name || ' without a deadline', 'connected until its lease ends'
FROM devices_device d JOIN devices_vpnserver s ON s.id = d.vpn_server_id
WHERE d.id > %(after)s AND d.id <= %(last)s AND d.vpn_connected AND s.due_at IS NULL
  AND EXISTS (
      SELECT 1 FROM devices_vpnserver o
      WHERE o.name = s.name AND o.organization_id IS NOT DISTINCT FROM s.organization_id
        AND o.lease_until IS NOT NULL)
"""
# `before` of a row is `after` of the row before it.
CHAIN: Final = """
SELECT device_id::text, was || ' at ' || at, before
FROM (
    SELECT device_id, at, before, lag(after) OVER (PARTITION BY {per} ORDER BY at, id) AS was,
           row_number() OVER (PARTITION BY {per} ORDER BY at, id) AS number
    FROM {table} WHERE device_id > %(after)s AND device_id <= %(last)s AND at > %(since)s
) AS rows
WHERE number > 1 AND was IS DISTINCT FROM before
"""
CHECKS: Final = {
    RULES: BY_RULES,
    "the newest change of status": NEWEST_STATUS,
    "the newest record of a link": NEWEST_LINK,
    "the heartbeat and its deadlines": DEADLINES,
    "the lease of a VPN server": LEASES,
    "the changes of status one after another": CHAIN.format(per="device_id", table="devices_statuschange"),
    "the records of a link one after another": CHAIN.format(
        per="device_id, link", table="devices_connectivityrecord"
    ),
}


@dataclass(frozen=True)
class Disagreement:
    """Two values that should be equal: which check (`what`), of which device or fleet (`where`), and both."""

    what: str
    where: str
    recorded: str
    should: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where} has {self.recorded}, should have {self.should}"


def disagreements(at: datetime | None = None, since: datetime | None = None) -> Iterator[Disagreement]:
    """Yields everything recorded that does not follow from the facts at `at`; nothing, unless we have a bug.

    Histories and rollups are compared from `since` on; None: completely. What lies before `since` was checked
    before, and does not change.
    """
    for what, sql in CHECKS.items():
        for after, last in _id_ranges():
            params = {"after": after, "last": last, "since": since or "-infinity"}
            for where, recorded, should in _rows(sql, params):
                yield Disagreement(what, where, str(recorded), str(should))
    yield from _dated_ahead(at)
    for fleet, slug, kept, counted in counters.wrong():
        yield Disagreement("the counter of a fleet", f"{fleet}, {slug}", str(kept), str(counted))
    for where, rolled_up, made in rollups.wrong(since):
        yield Disagreement("the rollup of an hour", where, str(rolled_up), str(made))
    known = clock.moment(at)
    for organization in Organization.objects.order_by("pk"):
        yield from _counts(organization, known)


def _id_ranges() -> Iterator[tuple[int, int]]:
    """Ranges (after, last) of ids, above `after` up to `last`, that cover every device that is or was."""
    newest = Device.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    bounds = [*range(0, newest, IDS_AT_ONCE), ahead.ENDLESS] if newest else [0, ahead.ENDLESS]
    yield from pairwise(bounds)


def _dated_ahead(at: datetime | None) -> Iterator[Disagreement]:
    """What is dated after the present: left by a clock that was set ahead.

    The clock is read anew for each statement, or what is written meanwhile would seem to be ahead.
    """
    steps = [(sql, id_range) for sql in ahead.FOUND_OF_DEVICES for id_range in _id_ranges()]
    for sql, (after, last) in [*steps, *((sql, (0, 0)) for sql in ahead.FOUND_OF_THE_SITE)]:
        now = at or clock.now()
        params = ahead.params(now + clock.STEP) | {"after": after, "last": last}
        for where, dated in _rows(sql, params):
            yield Disagreement(AHEAD, where, str(dated), f"{now} at most")


def _rows(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _counts(organization: Organization, at: Moment) -> Iterator[Disagreement]:
    """Compare the counts that pages show with the rules, evaluated for every device of the organization."""
    devices = Device.objects.filter(organization=organization)
    with one_snapshot():
        by_rules = with_status(devices, at).order_by().values("status").annotate(n=Count("pk"))
        counted = {row["status"]: row["n"] for row in by_rules}
        shown: dict[str, Any] = count_by_status(devices, at)
    for slug, number in shown.items():
        if number != counted.get(slug, 0):
            where = f"{slug} in {organization.slug}"
            yield Disagreement("the count of a status", where, str(number), str(counted.get(slug, 0)))
