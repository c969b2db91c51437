"""Recording state polls: a batch extends heartbeats, and writes transitions for those that were not recent.

The order of locks is in devices/connectivity/__init__.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from devices import clock, freezing, keys
from devices.clock import Moment
from devices.models import Heartbeat
from devices.transitions import locks
from devices.transitions import write as transitions
from fleets.access.locks import hold as hold_organizations
from fleets.postgres.round_trip import rows_of_each

SUPERVISOR_LEAST = 180  # seconds: P of a supervisor is never less (domain.md, Heartbeat)

# The window of a poll of a device d of a fleet f: the interval P in force, and after what time the heartbeat
# is late (domain.md, Heartbeat). `supervisor` is SQL for whether the device's agent is one.
WINDOW = """
LATERAL (SELECT GREATEST(COALESCE(d.poll_interval, f.poll_interval, %(interval)s),
                         CASE WHEN {supervisor} THEN %(least)s END) AS p) AS in_force,
LATERAL (SELECT ceil(p * 1.5) * interval '1 second' AS late) AS after
"""
KEEPS_POLLING = "d.heartbeat_state = 'recent' AND d.is_active"
WINDOWS = f"""
SELECT d.id, d.organization_id, p, %(at)s AS at, %(at)s + late AS late_at,
       %(at)s + late + %(grace)s AS lost_at, d.last_contact_at, {KEEPS_POLLING} AS keeps_polling
FROM devices_device d JOIN fleets_fleet f ON f.id = d.fleet_id,
{WINDOW.format(supervisor="d.id = ANY(%(supervisors)s)")}
WHERE d.id = ANY(%(ids)s) ORDER BY d.id
"""
# The address from which a poll came, where it is known, is not the device's.
MOVED = "address IS NOT NULL AND d.public_address IS DISTINCT FROM address"
# The devices of a batch for which more is to do than to extend a recent heartbeat, as a rule none: first
# polls, leases that ended unrecorded, changed addresses, devices to activate. Read without locks: what
# follows from it is decided again under them.
LOOK = f"""
SELECT d.id, d.organization_id, first, ended, moved, inactive
FROM (SELECT unnest(%(ids)s::bigint[]) AS id, unnest(%(addresses)s::inet[]) AS address) AS seen
JOIN devices_device d USING (id) LEFT JOIN devices_heartbeat h ON h.device_id = d.id
LEFT JOIN devices_vpnserver s ON s.id = d.vpn_server_id AND d.vpn_connected AND s.due_at <= %(heard)s,
LATERAL (SELECT h.device_id IS NULL AS first, s.id IS NOT NULL AS ended,
                {MOVED} AS moved,
                NOT d.is_active AS inactive) AS found
WHERE first OR ended OR moved OR inactive
"""
# New rows are inserted before any lock is taken, so that no transaction waits for an insert that waits for
# it.
BEGIN = f"""
INSERT INTO devices_heartbeat
    (device_id, organization_id, last_poll_at, poll_interval, late_at, lost_at, due_at, recorded_other_at)
SELECT id, organization_id, at, p, late_at, lost_at, late_at, last_contact_at FROM ({WINDOWS}) AS w
WHERE NOT EXISTS (SELECT 1 FROM devices_heartbeat h WHERE h.device_id = w.id)
ON CONFLICT DO NOTHING
RETURNING device_id
"""
EXTENDED = (
    "last_poll_at = w.at, poll_interval = w.p, late_at = w.late_at, lost_at = w.lost_at, due_at = w.late_at"
)
RENEW = f"""
UPDATE devices_heartbeat h SET {EXTENDED}
FROM ({WINDOWS}) AS w
WHERE h.device_id = w.id AND h.last_poll_at < w.at
"""
# The common case, a device that keeps polling: its recent heartbeat is extended, nothing else is written.
# COALESCE keeps the planner from starting with the index of deadlines: where all of them lie outside its
# statistics, as after an outage of ours, it takes them for few, and would read all of them for each device.
RECENT = "h.due_at = h.late_at AND COALESCE(h.due_at > {heard}, false)"
EXTEND = f"{RENEW} AND {RECENT.format(heard='%(heard)s')} AND keeps_polling RETURNING h.device_id"
RENEW += "RETURNING h.device_id"
INACTIVE = "SELECT id FROM devices_device WHERE id = ANY(%(ids)s) AND NOT is_active"
MOVE = """
UPDATE devices_device d SET public_address = address
FROM unnest(%(ids)s::bigint[], %(addresses)s::inet[]) AS seen(id, address) WHERE d.id = seen.id RETURNING d.id
"""


@transaction.atomic(savepoint=False)
def record_heartbeats(
    device_ids: Iterable[int],
    at: datetime | Moment | None = None,
    *,
    addresses: Mapping[int, str] | None = None,
    supervisors: Iterable[int] = (),
    settled: bool = False,
) -> int:
    """Record state polls of the devices with these primary keys at `at` (protocol.md, heartbeat).

    `addresses` has the public addresses they came from, by primary key; `supervisors` are the devices whose
    agent is a supervisor, which has a longer least interval. `settled`: this transaction has settled the
    devices, so it has their locks. Returns how many polls counted: one that is not newer than the stored poll
    changes nothing.
    """
    at, ids = clock.moment(at), sorted(set(device_ids))
    poll, extend = _poll(at, supervisors), _extend_settled if settled else _extend
    look, began, extended = extend(ids, addresses or {}, poll)
    renewed = _newer(set(ids) - {*began, *extended}, at.at)
    if touched := {*began, *renewed, *look.moved}:
        transitions.settle_devices(touched, at)
        _record(began, renewed, poll, at)
    if look.moved:
        _ids(MOVE, ids=list(look.moved), addresses=list(look.moved.values()))
    return len(began) + len(extended) + len(renewed)


def _extend(
    ids: list[int], addresses: Mapping[int, str], poll: dict[str, Any]
) -> tuple[Look, list[int], list[int]]:
    """Lock heartbeats, with what else the polls need, and extend the recent ones.

    Returns what else is to do, and the ids of the devices that began to poll and of those extended.
    """
    look = _look(_rows(LOOK, **_looked_for(ids, addresses), **poll), addresses)
    hold_organizations(look.activating)
    if look.ended:
        locks.lock_ended_servers(ids, poll["heard"])
    began = _ids(BEGIN, ids=ids, **poll) if look.first else []
    _, extended = rows_of_each((locks.HEARTBEATS, EXTEND), poll | {"ids": ids})
    return look, began, [device for (device,) in extended]


def _extend_settled(
    ids: list[int], addresses: Mapping[int, str], poll: dict[str, Any]
) -> tuple[Look, list[int], list[int]]:
    """As _extend, for devices that are settled, and whose locks are held."""
    seen, extended = rows_of_each((LOOK, EXTEND), poll | _looked_for(ids, addresses))
    look = _look(seen, addresses)
    return look, _ids(BEGIN, ids=ids, **poll) if look.first else [], [device for (device,) in extended]


def rehearse(at: datetime) -> None:
    """Run the statements of a poll at `at` without any device, sent at once; nothing is written.

    They wait for everything that a poll would wait for, and raise where it would.
    """
    statements = (clock.READ, keys.FIND_DEVICES, LOOK, locks.HEARTBEATS, EXTEND)
    none: dict[str, Any] = {"ids": [], "addresses": [], "digests": [], "patience": clock.PATIENCE}
    rows_of_each(statements, _poll(clock.listened(at), ()) | none)


def _poll(at: Moment, supervisors: Iterable[int]) -> dict[str, Any]:
    """The parameters of LOOK, BEGIN, RENEW and EXTEND for a batch of polls, besides `ids` and addresses."""
    return {
        "at": at.at,
        "heard": at.heard,
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
        "interval": settings.POLL_INTERVAL,
        "supervisors": list(supervisors),
        "least": SUPERVISOR_LEAST,
    }


def _record(began: list[int], renewed: list[int], poll: dict[str, Any], at: Moment) -> None:
    """Write the transitions of settled devices: those that polled first, and those that were not recent."""
    ids, reason = began + renewed, {"slug": "heartbeat"}
    activated = _ids(INACTIVE, ids=ids)
    _ids(RENEW, ids=renewed, **poll)
    transitions.write_heartbeat(
        transitions.POLLED, sets=transitions.CONTACT, ids=ids, at=at.at, reason=reason
    )
    freezing.refreeze_activated(activated, at)


@dataclass(frozen=True)
class Look:
    """What a batch of polls needs besides extending recent heartbeats."""

    first: bool  # whether a device polls for the first time
    ended: bool  # whether a lease of a VPN server of theirs ended unrecorded
    moved: dict[int, str]  # changed public addresses, by device id
    activating: set[int]  # ids of organizations with devices to activate


def _looked_for(ids: list[int], addresses: Mapping[int, str]) -> dict[str, Any]:
    """The parameters of LOOK, besides those of a poll."""
    return {"ids": ids, "addresses": [addresses.get(device) for device in ids]}


def _look(rows: list[tuple[Any, ...]], addresses: Mapping[int, str]) -> Look:
    """What the rows of LOOK say."""
    return Look(
        first=any(first for _, _, first, _, _, _ in rows),
        ended=any(ended for _, _, _, ended, _, _ in rows),
        moved={device: addresses[device] for device, _, _, _, moved, _ in rows if moved},
        activating={organization for _, organization, _, _, _, inactive in rows if inactive},
    )


def _newer(ids: set[int], at: datetime) -> list[int]:
    """Those of these device ids whose stored poll is older than `at`; their heartbeats are locked."""
    if not ids:
        return []
    return list(Heartbeat.objects.filter(pk__in=ids, last_poll_at__lt=at).values_list("pk", flat=True))


def _rows(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    (rows,) = rows_of_each((sql,), params)
    return rows


def _ids(sql: str, **params: Any) -> list[int]:
    return [row[0] for row in _rows(sql, **params)]
