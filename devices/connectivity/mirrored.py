"""Recording links that were read from a source, of devices that do not report here themselves.

Where a device also polls through the relay, its heartbeat is what it reported until its deadline has passed;
from then on what was read holds until it polls again. Such a device then has no deadlines. Its VPN is what
was read later than its last change here: the source answers a VPN server once it has written what that says.
The order of locks is in devices/connectivity/__init__.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from devices import clock
from devices.clock import Moment
from devices.rules.vpn_states import RECORDED
from devices.transitions import write as transitions

# A change of a link may be dated back as far as rollups are written again (devices/history/rollups.py).
BACK: Final = timedelta(hours=4)

# A date there that is not after the last change here does not tell when what was recorded since ended, as the
# silence of a VPN server: that was by the sweep. No change lies before the device's history.
DATED: Final = """CASE WHEN named.at <= d.{link}_changed_at THEN %(now)s
                         ELSE GREATEST(named.at, d.created_at) END AS at"""
# Without deadlines, or with one that passed and is recorded: what is late here may be recent there.
PASSED: Final = "(h.due_at IS NULL OR (h.due_at = h.lost_at AND named.state = 'recent'))"
HEARTBEATS: Final = f"""
SELECT d.id, d.heartbeat_state AS was, named.state AS now, {DATED.format(link="heartbeat")},
       %(reason)s::jsonb AS reason
FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(dates)s::timestamptz[]) AS named(id, state, at)
JOIN devices_device d USING (id) LEFT JOIN devices_heartbeat h ON h.device_id = d.id
WHERE d.heartbeat_state <> named.state AND named.state <> 'unknown' AND {PASSED}
  AND COALESCE(d.heartbeat_changed_at <= %(read_from)s, true)
"""
FORGET: Final = f"""
DELETE FROM devices_heartbeat h USING unnest(%(ids)s::bigint[], %(states)s::text[]) AS named(id, state)
WHERE h.device_id = named.id AND {PASSED} AND named.state NOT IN ('lost', 'unknown')
"""
VPNS: Final = f"""
SELECT d.id, {RECORDED} AS was, CASE WHEN named.vpn THEN 'connected' ELSE 'disconnected' END AS now,
       {DATED.format(link="vpn")},
       CASE WHEN named.server = '' THEN %(reason)s::jsonb
            ELSE jsonb_build_object('slug', 'vpn-server-silent', 'server', named.server) END AS reason
FROM unnest(%(ids)s::bigint[], %(vpns)s::boolean[], %(dates)s::timestamptz[], %(servers)s::text[])
     AS named(id, vpn, at, server)
JOIN devices_device d USING (id)
WHERE d.vpn_connected <> named.vpn
  AND COALESCE(d.vpn_changed_at <= %(read_from)s, true)
"""
DISOWN: Final = "vpn_server_id = NULL, vpn_session = ''"
# The last contact, which the source does not tell, is no earlier than the change of a link.
SPOKE: Final = """first_contact_at = COALESCE(d.first_contact_at, moves.at),
    last_contact_at = CASE WHEN moves.now IN ('recent', 'connected')
                           THEN GREATEST(d.last_contact_at, moves.at) ELSE d.last_contact_at END"""
READ: Final = {"slug": "mirrored"}


@dataclass(frozen=True)
class MirroredLinks:
    """The links of a device, by primary key, as they were read; `heartbeat_at`, `vpn_at`: since when."""

    device: int
    heartbeat: str
    heartbeat_at: datetime | None
    vpn: bool
    vpn_at: datetime | None
    silent: str = ""  # the name of the VPN server that held it and is silent


@transaction.atomic
def record_mirrored(
    read: Sequence[MirroredLinks], read_from: datetime, at: datetime | Moment | None = None
) -> int:
    """Record these links, which were read from a source since `read_from`; returns how many changed.

    What has changed here since then is newer than what was read, and stays.
    """
    at, read = clock.moment(at), sorted(read, key=lambda links: links.device)
    transitions.settle_devices([links.device for links in read], at)
    first = [links for links in read if _heartbeat_first(links)]
    then = [links for links in read if not _heartbeat_first(links)]
    return (
        _write_heartbeats(first, read_from, at)
        + _write_vpns(read, read_from, at)
        + _write_heartbeats(then, read_from, at)
    )


def dated(moment: datetime | None, at: Moment) -> datetime:
    """When a change that was read took effect: not in the future, nor before what can still be counted."""
    return at.at if moment is None else max(min(moment, at.at), at.at - BACK)


def _heartbeat_first(links: MirroredLinks) -> bool:
    return bool(links.heartbeat_at and (links.vpn_at is None or links.heartbeat_at <= links.vpn_at))


def _write_heartbeats(read: Sequence[MirroredLinks], read_from: datetime, at: Moment) -> int:
    if not read:
        return 0
    params: dict[str, Any] = {
        "ids": [links.device for links in read],
        "states": [links.heartbeat for links in read],
        "dates": [dated(links.heartbeat_at, at) for links in read],
        "read_from": read_from,
        "now": at.at,
    }
    changed = transitions.write_heartbeat(HEARTBEATS, sets=SPOKE, reason=READ, **params)
    with connection.cursor() as cursor:
        cursor.execute(FORGET, params)
    return changed


def _write_vpns(read: Sequence[MirroredLinks], read_from: datetime, at: Moment) -> int:
    if not read:
        return 0
    return transitions.write_vpn(
        VPNS,
        sets=f"{DISOWN}, {SPOKE}",
        reason=READ,
        ids=[links.device for links in read],
        vpns=[links.vpn for links in read],
        dates=[dated(links.vpn_at, at) for links in read],
        servers=[links.silent for links in read],
        read_from=read_from,
        now=at.at,
    )
