"""Writing transitions of links: the device's row and its ConnectivityRecord in one statement.

Only devices/connectivity calls this, with the rows locked and settled (settle_devices).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from devices.clock import Moment
from devices.models import ConnectivityRecord
from devices.rules import vpn_states
from devices.status.expressions import status_over
from devices.transitions.locks import lock_devices

# `moves` selects the devices that change: id, was, now (states as a record names them), at, reason. A move
# from a state to itself may change the owner of the link or whether the device is active, but is no
# transition: it leaves `since` and the records alone.
TRANSITION = """
WITH moves AS ({moves}),
changed AS (
    UPDATE devices_device d
    SET {sets}, facts_at = moves.at, facts_reason = moves.reason,
        {link}_changed_at = CASE WHEN moves.was = moves.now THEN d.{link}_changed_at
                                 ELSE GREATEST(d.{link}_changed_at, moves.at) END
    FROM moves WHERE d.id = moves.id
    RETURNING d.organization_id, d.fleet_id, d.id, was, now, d.{link}_changed_at AS at, moves.reason
),
recorded AS (
    INSERT INTO devices_connectivityrecord
        (organization_id, fleet_id, device_id, link, before, after, at, reason)
    SELECT organization_id, fleet_id, id, '{link}', was, now, at, reason
    FROM changed WHERE was <> now
)
SELECT count(*) FROM changed
"""
# What every contact sets: an accepted poll, report or VPN connect (domain.md: contact activates).
CONTACT = """is_active = true, deactivated_at = NULL, activated_at = COALESCE(d.activated_at, moves.at),
    first_contact_at = COALESCE(d.first_contact_at, moves.at),
    last_contact_at = GREATEST(d.last_contact_at, moves.at)"""

POLLED = """
SELECT d.id, d.heartbeat_state AS was, 'recent' AS now, %(at)s AS at, %(reason)s::jsonb AS reason
FROM devices_device d
WHERE d.id = ANY(%(ids)s) AND (d.heartbeat_state <> 'recent' OR NOT d.is_active)
"""
# The next deadline of each heartbeat that passed: late before lost, one at a time, and none before an earlier
# end of the owner's lease. IS TRUE keeps the planner from the index of deadlines, by which it would read a
# whole backlog for a part of it.
PASSED = """
UPDATE devices_heartbeat h SET due_at = due.next
FROM (
    SELECT d.id, d.heartbeat_state AS was, h.due_at AS at, h.last_poll_at AS polled_at,
           CASE WHEN h.due_at = h.late_at THEN 'late' ELSE 'lost' END AS now,
           CASE WHEN h.due_at = h.late_at THEN h.lost_at END AS next
    FROM unnest(%(ids)s::bigint[]) AS named(id) JOIN devices_device d USING (id)
    JOIN devices_heartbeat h ON h.device_id = d.id
    LEFT JOIN devices_vpnserver s ON s.id = d.vpn_server_id AND d.vpn_connected
    WHERE (h.due_at <= %(at)s) IS TRUE AND COALESCE(h.due_at <= s.due_at, true)
) AS due
WHERE h.device_id = due.id
RETURNING due.id, due.was, due.now, due.at, due.polled_at,
    jsonb_build_object('slug', 'heartbeat-' || due.now) AS reason
"""
# A device that stops polling: from now on its own row has its last contact.
LAST_POLL = "last_contact_at = GREATEST(d.last_contact_at, moves.polled_at)"
# Both deadlines of a heartbeat at once, where nothing lies between them and at most one of them changed the
# status: most of any backlog. It writes one version of the device's row instead of two.
LAPSED = """
WITH moves AS (
    UPDATE devices_heartbeat h SET due_at = NULL
    FROM (
        SELECT d.id, d.heartbeat_state AS was, d.heartbeat_changed_at AS since, d.recorded_status AS before,
               {late} AS once_late, {lost} AS once_lost, s.due_at AS ended_at
        FROM devices_device d LEFT JOIN devices_vpnserver s ON s.id = d.vpn_server_id AND d.vpn_connected
        WHERE d.id = ANY(%(ids)s)
    ) AS device
    WHERE h.device_id = device.id AND h.due_at = h.late_at AND h.lost_at <= %(at)s
      AND COALESCE(h.lost_at <= ended_at, true) AND (once_late = before OR once_late = once_lost)
    RETURNING device.id, was, GREATEST(since, h.late_at) AS late_at, GREATEST(since, h.lost_at) AS lost_at,
              h.last_poll_at AS polled_at, once_late <> before AS changes_late, once_lost <> before AS changes
),
changed AS (
    UPDATE devices_device d
    SET heartbeat_state = 'lost', heartbeat_changed_at = moves.lost_at,
        last_contact_at = GREATEST(d.last_contact_at, polled_at),
        facts_at = CASE WHEN changes_late THEN late_at ELSE lost_at END,
        facts_reason = jsonb_build_object(
            'slug', CASE WHEN changes_late THEN 'heartbeat-late' ELSE 'heartbeat-lost' END),
        recorded_status_at = CASE
            WHEN changes_late THEN GREATEST(late_at, d.recorded_status_at)
            WHEN changes THEN GREATEST(lost_at, d.recorded_status_at) ELSE d.recorded_status_at END
    FROM moves WHERE d.id = moves.id
    RETURNING d.organization_id, d.fleet_id, d.id, was, late_at, lost_at
),
recorded AS (
    INSERT INTO devices_connectivityrecord
        (organization_id, fleet_id, device_id, link, before, after, at, reason)
    SELECT organization_id, fleet_id, id, 'heartbeat', made.was, made.now, made.at,
           jsonb_build_object('slug', 'heartbeat-' || made.now)
    FROM changed, LATERAL (
        VALUES (1, was, 'late', late_at), (2, 'late', 'lost', lost_at)
    ) AS made(number, was, now, at)
    ORDER BY id, made.number
)
SELECT id FROM changed
"""
# Whether the owner is a process life of this server, which its name and its organization identify.
SAME_SERVER = "s.name = %(server)s AND s.organization_id IS NOT DISTINCT FROM %(organization)s::bigint"
VPN = f"{vpn_states.RECORDED} AS was"
ENDED = f"""
SELECT d.id, {VPN}, 'disconnected' AS now, s.due_at AS at,
       jsonb_build_object('slug', 'vpn-server-silent', 'server', s.name) AS reason
FROM unnest(%(ids)s::bigint[]) AS named(id) JOIN devices_device d USING (id)
JOIN devices_vpnserver s ON s.id = d.vpn_server_id LEFT JOIN devices_heartbeat h ON h.device_id = d.id
WHERE d.vpn_connected AND s.due_at <= %(at)s AND COALESCE(s.due_at < h.due_at, true)
"""
CONNECTED = f"""
SELECT d.id, {VPN}, 'connected' AS now, %(at)s AS at, %(reason)s::jsonb AS reason, named.session
FROM devices_device d
JOIN unnest(%(uuids)s::text[], %(sessions)s::text[]) AS named(uuid, session) ON named.uuid = d.uuid
WHERE d.id = ANY(%(ids)s)
  AND NOT (d.vpn_connected AND d.vpn_server_id = %(owner)s AND d.vpn_session = named.session)
"""
DISCONNECTED = f"""
SELECT d.id, {VPN}, 'disconnected' AS now, %(at)s AS at, %(reason)s::jsonb AS reason
FROM devices_device d JOIN devices_vpnserver s ON s.id = d.vpn_server_id
JOIN unnest(%(uuids)s::text[], %(sessions)s::text[]) AS named(uuid, session) ON named.uuid = d.uuid
WHERE d.id = ANY(%(ids)s) AND {SAME_SERVER} AND named.session IN ('', d.vpn_session)
"""
REVIVED = f"""
SELECT d.id, {VPN}, 'connected' AS now, %(at)s AS at, %(reason)s::jsonb AS reason
FROM devices_device d
WHERE d.id = ANY(%(ids)s) AND d.vpn_server_id = %(owner)s AND NOT d.vpn_connected
"""
# A server's list claims the devices that no other live server owns: once settled, those that are not
# connected elsewhere.
CLAIMED = f"""
SELECT d.id, {VPN}, 'connected' AS now, %(at)s AS at, %(reason)s::jsonb AS reason
FROM devices_device d LEFT JOIN devices_vpnserver s ON s.id = d.vpn_server_id
WHERE d.id = ANY(%(ids)s) AND d.id = ANY(%(listed)s)
  AND (NOT d.vpn_connected OR ({SAME_SERVER} AND s.id <> %(owner)s))
"""
UNLISTED = f"""
SELECT d.id, {VPN}, 'disconnected' AS now, %(at)s AS at, %(reason)s::jsonb AS reason
FROM devices_device d JOIN devices_vpnserver s ON s.id = d.vpn_server_id
WHERE d.id = ANY(%(ids)s) AND {SAME_SERVER} AND NOT d.id = ANY(%(listed)s)
  AND (NOT d.vpn_connected OR COALESCE(d.vpn_changed_at <= %(unchanged_since)s, true))
"""


def write_heartbeat(moves: str, *, sets: str = "", **params: Any) -> int:
    """Write the transitions of heartbeats that `moves` selects (SQL, see TRANSITION).

    `sets` is SQL of further assignments, `params` the parameters of both. Returns how many devices changed.
    """
    sets = "heartbeat_state = moves.now" + (f", {sets}" if sets else "")
    return _write(ConnectivityRecord.Link.HEARTBEAT, moves, sets, params)


def write_passed(ids: list[int], at: datetime) -> int:
    """Write the transition of the next deadline that passed by `at`, per heartbeat; returns how many."""
    return write_heartbeat(PASSED, sets=LAST_POLL, ids=ids, at=at) if ids else 0


def write_lapsed(ids: list[int], at: datetime) -> list[int]:
    """Write both transitions of the heartbeats that became late and lost with nothing between the two.

    Returns the ids of their devices.
    """
    late, lost = (status_over(heartbeat_state=f"'{state}'") for state in ("late", "lost"))
    with connection.cursor() as cursor:
        cursor.execute(LAPSED.format(late=late, lost=lost), {"ids": ids, "at": at})
        return [device for (device,) in cursor]


def write_vpn(moves: str, *, sets: str = "", **params: Any) -> int:
    """Write the transitions of VPN links that `moves` selects (SQL, see TRANSITION).

    `sets` is SQL of further assignments, as of the owner; `params` the parameters of both. Returns how many
    devices changed.
    """
    sets = "vpn_connected = (moves.now = 'connected')" + (f", {sets}" if sets else "")
    return _write(ConnectivityRecord.Link.VPN, moves, sets, params)


def _write(link: str, moves: str, sets: str, params: dict[str, Any]) -> int:
    if "reason" in params:
        params["reason"] = Jsonb(params["reason"])
    with connection.cursor() as cursor:
        cursor.execute(TRANSITION.format(link=link, moves=moves, sets=sets), params)
        return int(cursor.fetchone()[0])


def settle_devices(ids: Iterable[int], at: Moment) -> int:
    """Record the deadlines and leases of these devices that passed by `at`, in time order, each at its date.

    In an outage of ours nothing passes. Every writer of these devices' facts calls this first, in its
    transaction: it takes all locks that writing them needs. Returns the number of transitions.
    """
    ids, heard = sorted(ids), at.heard
    if not ids:
        return 0
    due, ended = lock_devices(ids, heard)
    if not due and not ended:
        return 0
    lapsed = write_lapsed(due, heard) if due else []
    recorded, others = 2 * len(lapsed), sorted({*due} - {*lapsed})
    while moved := write_passed(others, heard) + write_vpn(ENDED, ids=ids, at=heard):
        recorded += moved
    return recorded
