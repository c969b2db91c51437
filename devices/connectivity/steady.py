"""Steady polls: those of devices that keep polling, told by their keys, in one prepared statement.

It extends heartbeats as devices/connectivity/heartbeats.py does, of devices of which nothing else is to be
written. All other polls are left to that module, and so are keys that are not accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from django.conf import settings

from devices import clock, keys
from devices.connectivity.heartbeats import (
    EXTENDED,
    KEEPS_POLLING,
    MOVED,
    RECENT,
    SUPERVISOR_LEAST,
    WINDOW,
)
from fleets.access.digests import digests
from fleets.postgres.clock import NEWEST

# Heartbeats are updated in the order of locks, whatever the plan, each at the place where it was found: one
# that another transaction has changed since is left alone, with its poll. Its version tells that too, as
# PostgreSQL before November 2025 (15.15, 16.11, 17.7, 18.1) follows a changed row to its new place. Nothing
# else can be at that place meanwhile: what a statement sees is not removed, and rows move only under a lock
# of the whole table. What is read beside them may be older than a transaction that only held the lock: none
# of these changes any of that, since a device with a recent heartbeat cannot be deactivated. The joins stand
# in the order in which they are made (fleets/postgres/prepared.py). OFFSET keeps the planner from reading all
# heartbeats first, in the order that is asked for, where there was one when it planned.
EXTEND: Final = f"""
WITH moment AS MATERIALIZED ({clock.READ}),
polled AS MATERIALIZED (
    SELECT place, version, seen.number, {keys.HOLDER}, p, moment.at,
           moment.at + late AS late_at, moment.at + late + %(grace)s AS lost_at
    FROM moment, unnest($1::bytea[], $2::inet[], $3::text[], $4::boolean[]) WITH ORDINALITY
        AS seen(digest, address, uuid, supervisor, number)
    JOIN devices_apikey k USING (digest) JOIN devices_device d ON d.id = k.device_id
    JOIN fleets_fleet f ON f.id = d.fleet_id
    JOIN LATERAL (
        SELECT ctid AS place, xmin AS version, device_id, last_poll_at, late_at, due_at
        FROM devices_heartbeat WHERE device_id = d.id OFFSET 0
    ) h ON true
    LEFT JOIN devices_vpnserver s ON s.id = d.vpn_server_id AND d.vpn_connected,
    {WINDOW.format(supervisor="seen.supervisor")}
    WHERE {keys.HOLDS} AND {KEEPS_POLLING} AND NOT ({MOVED}) AND COALESCE(seen.uuid = d.uuid, true)
      AND COALESCE(s.due_at > heard, true) AND h.last_poll_at < moment.at AND {RECENT.format(heard="heard")}
    ORDER BY h.device_id
)
UPDATE devices_heartbeat h SET {EXTENDED} FROM polled w WHERE h.ctid = w.place AND h.xmin = w.version
RETURNING w.at, w.number, w.device_id, w.uuid, w.name, w.organization_id, w.frozen_reason, w.vpn_off,
          w.interval_in_force, w.is_active
"""


class Poll(NamedTuple):
    """A poll with `key` from `address` (empty: not known), which names a device's UUID if it names one."""

    key: str
    address: str
    uuid: str | None
    supervisor: bool


def statement() -> str:
    """The statement, in SQL."""
    constants = {
        "at": "NULL::timestamptz",
        "patience": f"interval '{clock.PATIENCE.total_seconds()} seconds'",
        "grace": f"interval '{settings.HEARTBEAT_GRACE} seconds'",
        "interval": settings.POLL_INTERVAL,
        "least": SUPERVISOR_LEAST,
    }
    return EXTEND % constants


def parameters(polls: Mapping[bytes, Poll]) -> tuple[bytes, ...]:
    """The parameters of the statement, as texts, for polls by the digests of their keys."""
    each = polls.values()
    asked = _array(f'"\\\\x{digest.hex()}"' for digest in polls)
    addresses = _array(poll.address or "NULL" for poll in each)
    uuids = _array("NULL" if poll.uuid is None else f'"{poll.uuid}"' for poll in each)
    supervisors = _array("t" if poll.supervisor else "f" for poll in each)
    return asked, addresses, uuids, supervisors


def by_digest(polls: Iterable[Poll]) -> dict[bytes, Poll]:
    """The polls by the digests of their keys, of several with one key the first.

    Without those that name a device by what cannot be a UUID.
    """
    named = [poll for poll in polls if poll.uuid is None or (poll.uuid.isascii() and poll.uuid.isalnum())]
    return {digest: poll for poll in reversed(named) for digest in digests(poll.key)}


def extended(rows: Iterable[tuple[Any, ...]], polls: Mapping[bytes, Poll]) -> dict[Poll, keys.KeyHolder]:
    """The devices whose heartbeats were extended, by poll, from the rows of the statement."""
    asked, found = [*polls.values()], {}
    for at, number, *holder in rows:
        NEWEST.note(at)
        found[asked[number - 1]] = keys.KeyHolder(*holder)
    return found


def _array(items: Iterable[str]) -> bytes:
    """An array in PostgreSQL's text format; the items need no quotes, or have them."""
    return f"{{{','.join(items)}}}".encode()
