"""Whether what is recorded still follows from the facts: devices, histories, counters, tallies.

Every check is one statement that finds disagreements by whole tables; run nightly by `settle --watch`, after
every random sequence of the tests, and by `manage.py verify_status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from devices import clock, counters, status, tally
from devices.models import Device

# Each finds devices, as uuid, what is recorded, and what it should be.
NEWEST_STATUS: Final = """
SELECT d.uuid, newest.after || ' since ' || newest.at, d.recorded_status || ' since '
       || COALESCE(d.recorded_status_at, d.created_at)
FROM devices_device d LEFT JOIN LATERAL (
    SELECT after, at FROM devices_statuschange WHERE device_id = d.id AND before IS DISTINCT FROM after
    ORDER BY at DESC, id DESC LIMIT 1
) AS newest ON true
WHERE (newest.after, newest.at)
    IS DISTINCT FROM (d.recorded_status, COALESCE(d.recorded_status_at, d.created_at))
"""
NEWEST_LINK: Final = """
SELECT d.uuid, newest.link || ' ' || newest.after || ' since ' || newest.at,
       recorded.state || ' since ' || recorded.at
FROM devices_device d, LATERAL (
    VALUES ('vpn', CASE WHEN d.vpn_connected THEN 'connected' ELSE 'disconnected' END, d.vpn_changed_at),
           ('heartbeat', d.heartbeat_state, d.heartbeat_changed_at)
) AS recorded(link, state, at), LATERAL (
    SELECT link, after, at FROM devices_connectivityrecord r
    WHERE device_id = d.id AND r.link = recorded.link ORDER BY at DESC, id DESC LIMIT 1
) AS newest
WHERE (newest.after, newest.at) IS DISTINCT FROM (recorded.state, recorded.at)
"""
DEADLINES: Final = """
SELECT d.uuid, d.heartbeat_state, should.state
FROM devices_device d LEFT JOIN devices_heartbeat h ON h.device_id = d.id, LATERAL (
    SELECT CASE WHEN h.device_id IS NULL THEN 'unknown' WHEN h.due_at = h.late_at THEN 'recent'
                WHEN h.due_at = h.lost_at THEN 'late' ELSE 'lost' END AS state
) AS should
WHERE d.heartbeat_state <> should.state
"""
# What a row says was before is what the row before it says was after.
CHAIN: Final = """
SELECT device_id::text, was || ' at ' || at, before
FROM (
    SELECT device_id, at, before, lag(after) OVER (PARTITION BY {per} ORDER BY at, id) AS was,
           row_number() OVER (PARTITION BY {per} ORDER BY at, id) AS number
    FROM {table}
) AS rows
WHERE number > 1 AND was IS DISTINCT FROM before
"""
CHECKS: Final = {
    "the newest change of status": NEWEST_STATUS,
    "the newest record of a link": NEWEST_LINK,
    "the heartbeat and its deadlines": DEADLINES,
    "the changes of status one after another": CHAIN.format(per="device_id", table="devices_statuschange"),
    "the records of a link one after another": CHAIN.format(
        per="device_id, link", table="devices_connectivityrecord"
    ),
}


@dataclass(frozen=True)
class Disagreement:
    """Two places that should say the same: what was looked at, of which device or fleet, and both words."""

    what: str
    where: str
    recorded: str
    should: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where} has {self.recorded}, should have {self.should}"


def disagreements(at: datetime | None = None) -> Iterator[Disagreement]:
    """Everything that is recorded and does not follow from the facts; nothing, as a rule."""
    for what, sql in CHECKS.items():
        with connection.cursor() as cursor:
            cursor.execute(sql)
            for where, recorded, should in cursor.fetchall():
                yield Disagreement(what, where, str(recorded), str(should))
    for fleet, slug, kept, there in counters.wrong():
        yield Disagreement("the counter of a fleet", f"{fleet}, {slug}", str(kept), str(there))
    for where, tallied, made in tally.wrong():
        yield Disagreement("the tally of an hour", where, str(tallied), str(made))
    yield from _counts(at or clock.now())


def _counts(at: datetime) -> Iterator[Disagreement]:
    """Counts against the rules, evaluated for every device."""
    at = clock.known(at)
    counted: dict[str, int] = dict.fromkeys(status.Status.values, 0)
    for slug in status.with_status(Device.objects.order_by(), at).values_list("status", flat=True).iterator():
        counted[slug] += 1
    shown: dict[str, Any] = status.count_by_status(Device.objects.all(), at)
    for slug, number in shown.items():
        if number != counted[slug]:
            yield Disagreement("the count of a status", slug, str(number), str(counted[slug]))
