"""State polls: a batch of them moves heartbeats on, and records what changed for those that were not recent.

Part of devices/connectivity, where callers find it; see there for the order of locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from devices import clock, freezing
from devices.clock import Moment
from devices.models import Heartbeat
from devices.transitions import locks
from devices.transitions import write as transitions
from fleets.access.locks import hold as hold_organizations

SUPERVISOR_LEAST = 180  # seconds: P of a supervisor is never less (domain.md, Heartbeat)

# The window of a poll: P in force, then when it is late and when lost (domain.md, Heartbeat).
WINDOWS = """
SELECT id, organization_id, p, %(at)s AS at, %(at)s + late AS late_at, %(at)s + late + %(grace)s AS lost_at,
       last_contact_at, keeps_polling
FROM (SELECT d.id, d.organization_id, d.last_contact_at, p, ceil(p * 1.5) * interval '1 second' AS late,
             d.heartbeat_state = 'recent' AND d.is_active AS keeps_polling
      FROM devices_device d JOIN fleets_fleet f ON f.id = d.fleet_id,
      LATERAL (SELECT GREATEST(COALESCE(d.poll_interval, f.poll_interval, %(interval)s),
                               CASE WHEN d.id = ANY(%(supervisors)s) THEN %(least)s END) AS p) AS in_force
      WHERE d.id = ANY(%(ids)s) ORDER BY d.id) AS windows
"""
# What a batch of polls finds beside recent heartbeats, as a rule nothing: first polls, owners whose lease
# ended unrecorded, addresses that moved, devices to activate. Only looked at: what it decides is decided
# again under the locks.
LOOK = """
SELECT d.id, d.organization_id, first, ended, moved, inactive
FROM (SELECT unnest(%(ids)s::bigint[]) AS id, unnest(%(addresses)s::inet[]) AS address) AS seen
JOIN devices_device d USING (id) LEFT JOIN devices_heartbeat h ON h.device_id = d.id
LEFT JOIN devices_vpnserver s ON s.id = d.vpn_server_id AND d.vpn_connected AND s.due_at <= %(heard)s,
LATERAL (SELECT h.device_id IS NULL AS first, s.id IS NOT NULL AS ended,
                address IS NOT NULL AND public_address IS DISTINCT FROM address AS moved,
                NOT d.is_active AS inactive) AS found
WHERE first OR ended OR moved OR inactive
"""
# Rows that are new come before any lock: who inserts waits for no one who waits for them.
BEGIN = f"""
INSERT INTO devices_heartbeat
    (device_id, organization_id, last_poll_at, poll_interval, late_at, lost_at, due_at, recorded_other_at)
SELECT id, organization_id, at, p, late_at, lost_at, late_at, last_contact_at FROM ({WINDOWS}) AS w
WHERE NOT EXISTS (SELECT 1 FROM devices_heartbeat h WHERE h.device_id = w.id)
ON CONFLICT DO NOTHING
RETURNING device_id
"""
RENEW = f"""
UPDATE devices_heartbeat h
SET last_poll_at = w.at, poll_interval = w.p, late_at = w.late_at, lost_at = w.lost_at, due_at = w.late_at
FROM ({WINDOWS}) AS w
WHERE h.device_id = w.id AND h.last_poll_at < w.at
"""
# The common case, a device that keeps polling: its recent heartbeat moves on, nothing else is written.
# COALESCE keeps the planner from beginning with the deadlines: where all lie behind those that it has
# statistics of, as after an outage of ours, it takes them for few, and would read every one for each device.
EXTEND = f"""{RENEW}
AND h.due_at = h.late_at AND COALESCE(h.due_at > %(heard)s, false) AND keeps_polling
RETURNING h.device_id
"""
RENEW += "RETURNING h.device_id"
INACTIVE = "SELECT id FROM devices_device WHERE id = ANY(%(ids)s) AND NOT is_active"
MOVE = """
UPDATE devices_device d SET public_address = address
FROM unnest(%(ids)s::bigint[], %(addresses)s::inet[]) AS seen(id, address) WHERE d.id = seen.id RETURNING d.id
"""


@transaction.atomic
def record_heartbeats(
    device_ids: Iterable[int],
    at: datetime | Moment | None = None,
    *,
    addresses: Mapping[int, str] | None = None,
    supervisors: Iterable[int] = (),
) -> int:
    """State polls of these devices at `at` (protocol.md, heartbeat), and the public addresses they came from.

    `supervisors` are those of the devices that a supervisor polled for. Returns how many counted: a poll
    that is not newer than the stored one changes nothing.
    """
    at, ids = clock.moment(at), sorted(set(device_ids))
    poll, look = _poll(at, supervisors), _look(ids, addresses or {}, at)
    hold_organizations(look.activating)
    if look.ended:
        locks.lock_ended_servers(ids, at.heard)
    began = _ids(BEGIN, ids=ids, **poll) if look.first else []
    locks.lock_heartbeats(ids, at.heard)
    extended = _ids(EXTEND, ids=ids, **poll)
    renewed = _newer(set(ids) - {*began, *extended}, at.at)
    if touched := {*began, *renewed, *look.moved}:
        transitions.settle_devices(touched, at)
        _record(began, renewed, poll, at)
    if look.moved:
        _ids(MOVE, ids=list(look.moved), addresses=list(look.moved.values()))
    return len(began) + len(extended) + len(renewed)


def _poll(at: Moment, supervisors: Iterable[int]) -> dict[str, Any]:
    """What the statements above ask of a batch of polls, besides whose they are."""
    return {
        "at": at.at,
        "heard": at.heard,
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
        "interval": settings.POLL_INTERVAL,
        "supervisors": list(supervisors),
        "least": SUPERVISOR_LEAST,
    }


def _record(began: list[int], renewed: list[int], poll: dict[str, Any], at: Moment) -> None:
    """Write what first polls, and polls after a deadline, change; the devices are settled."""
    ids, reason = began + renewed, {"slug": "heartbeat"}
    activated = _ids(INACTIVE, ids=ids)
    _ids(RENEW, ids=renewed, **poll)
    transitions.write_heartbeat(
        transitions.POLLED, sets=transitions.CONTACT, ids=ids, at=at.at, reason=reason
    )
    freezing.refreeze_activated(activated, at)


@dataclass(frozen=True)
class Look:
    """What a batch of polls holds besides recent heartbeats."""

    first: bool
    ended: bool
    moved: dict[int, str]
    activating: set[int]  # the organizations of devices to activate


def _look(ids: list[int], addresses: Mapping[int, str], at: Moment) -> Look:
    rows = _rows(LOOK, ids=ids, addresses=[addresses.get(device) for device in ids], heard=at.heard)
    return Look(
        first=any(first for _, _, first, _, _, _ in rows),
        ended=any(ended for _, _, _, ended, _, _ in rows),
        moved={device: addresses[device] for device, _, _, _, moved, _ in rows if moved},
        activating={organization for _, organization, _, _, _, inactive in rows if inactive},
    )


def _newer(ids: set[int], at: datetime) -> list[int]:
    """Those of these devices, whose heartbeats are locked, whose stored poll is older than `at`."""
    older = Heartbeat.objects.filter(pk__in=ids, last_poll_at__lt=at)
    return list(older.values_list("pk", flat=True)) if ids else []


def _rows(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _ids(sql: str, **params: Any) -> list[int]:
    return [row[0] for row in _rows(sql, **params)]
