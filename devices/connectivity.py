"""The only writer of link facts: state polls, VPN connect and disconnect, server leases, the clock.

Every function is atomic, idempotent and safe beside itself. It locks in one order, VpnServer, Heartbeat
by device id, Device by id, then records what the clock has done to its devices (settle_devices), then
what it was told; so no deadline that nobody recorded is ever skipped. `at` is the moment a fact is dated
by; None: the database's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from devices import clock, edges
from devices.models import Device, Heartbeat, VpnServer
from fleets.models import Organization

LEASE = timedelta(seconds=60)  # from a server's last sign
UNLISTED_AFTER = timedelta(seconds=30)  # a younger link may be missing from a list made before it
SETTLE_BATCH = 2000  # devices per transaction


class ForeignServer(Exception):
    """The name belongs to another organization's VPN server."""


class ListRequired(Exception):
    """The first sign after a silence lacks the list of a server that does not name its process life."""


# State polls

# The window of a poll: P in force, then when it is late and when lost (domain.md, Heartbeat).
WINDOWS = """
SELECT id, organization_id, p, %(at)s AS at, %(at)s + late AS late_at, %(at)s + late + %(grace)s AS lost_at
FROM (SELECT d.id, d.organization_id, p, ceil(p * 1.5) * interval '1 second' AS late
      FROM devices_device d JOIN fleets_fleet f ON f.id = d.fleet_id,
      LATERAL (SELECT COALESCE(d.poll_interval, f.poll_interval, %(interval)s) AS p) AS in_force
      WHERE d.id = ANY(%(ids)s) ORDER BY d.id) AS windows
"""
# What a batch of polls finds beside recent heartbeats, as a rule nothing: first polls, owners whose lease
# ended unrecorded, addresses that moved. Only looked at: what it decides is decided again under the locks.
LOOK = """
SELECT d.id, first, ended, moved
FROM (SELECT unnest(%(ids)s::bigint[]) AS id, unnest(%(addresses)s::inet[]) AS address) AS seen
JOIN devices_device d USING (id) LEFT JOIN devices_heartbeat h ON h.device_id = d.id
LEFT JOIN devices_vpnserver s ON s.id = d.vpn_server_id AND d.vpn_connected AND s.due_at <= %(at)s,
LATERAL (SELECT h.device_id IS NULL AS first, s.id IS NOT NULL AS ended,
                address IS NOT NULL AND public_address IS DISTINCT FROM address AS moved) AS found
WHERE first OR ended OR moved
"""
# Rows that are new come before any lock: who inserts waits for no one who waits for them.
BEGIN = f"""
INSERT INTO devices_heartbeat
    (device_id, organization_id, last_poll_at, poll_interval, late_at, lost_at, due_at)
SELECT id, organization_id, at, p, late_at, lost_at, late_at FROM ({WINDOWS}) AS w
WHERE NOT EXISTS (SELECT 1 FROM devices_heartbeat h WHERE h.device_id = w.id)
ON CONFLICT DO NOTHING
RETURNING device_id
"""
RENEW = f"""
UPDATE devices_heartbeat h
SET last_poll_at = w.at, poll_interval = w.p, late_at = w.late_at, lost_at = w.lost_at, due_at = w.late_at
FROM ({WINDOWS}) AS w JOIN devices_device d ON d.id = w.id
WHERE h.device_id = w.id AND h.last_poll_at < w.at
"""
# The common case, a device that keeps polling: its recent heartbeat moves on, nothing else is written.
EXTEND = f"""{RENEW}
AND h.due_at = h.late_at AND h.due_at > w.at AND d.heartbeat_state = 'recent' AND d.is_active
RETURNING h.device_id
"""
RENEW += "RETURNING h.device_id"
MOVE = """
UPDATE devices_device d SET public_address = address
FROM unnest(%(ids)s::bigint[], %(addresses)s::inet[]) AS seen(id, address) WHERE d.id = seen.id RETURNING d.id
"""


@transaction.atomic
def record_heartbeats(
    device_ids: Iterable[int],
    at: datetime | None = None,
    *,
    addresses: Mapping[int, str] | None = None,
) -> int:
    """State polls of these devices at `at` (protocol.md, heartbeat), and the public addresses they came from.

    Returns how many counted: a poll that is not newer than the stored one changes nothing.
    """
    at, ids = at or clock.now(), sorted(set(device_ids))
    poll = {
        "at": at,
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
        "interval": settings.POLL_INTERVAL,
    }
    look = _look(ids, addresses or {}, at)
    if look.ended:
        edges.lock_ended_servers(ids, at)
    began = _ids(BEGIN, ids=ids, **poll) if look.first else []
    edges.lock_heartbeats(ids)
    extended = _ids(EXTEND, ids=ids, **poll)
    renewed = _newer(set(ids) - {*began, *extended}, at)
    if touched := {*began, *renewed, *look.moved}:
        settle_devices(touched, at)
        _ids(RENEW, ids=renewed, **poll)
        edges.heartbeat_edges(
            edges.POLLED, contact=True, ids=began + renewed, at=at, reason={"slug": "heartbeat"}
        )
    if look.moved:
        _ids(MOVE, ids=list(look.moved), addresses=list(look.moved.values()))
    return len(began) + len(extended) + len(renewed)


@dataclass(frozen=True)
class Look:
    """What a batch of polls holds besides recent heartbeats."""

    first: bool
    ended: bool
    moved: dict[int, str]


def _look(ids: list[int], addresses: Mapping[int, str], at: datetime) -> Look:
    rows = _rows(LOOK, ids=ids, addresses=[addresses.get(device) for device in ids], at=at)
    return Look(
        first=any(first for _, first, _, _ in rows),
        ended=any(ended for _, _, ended, _ in rows),
        moved={device: addresses[device] for device, _, _, moved in rows if moved},
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


# VPN servers


@transaction.atomic
def vpn_connected(
    server: str,
    device_uuids: Iterable[str],
    at: datetime | None = None,
    *,
    organization: Organization | None = None,
    sessions: Mapping[str, str] | None = None,
) -> int:
    """These devices connected to `server`, which owns them from now on (protocol.md, vpn/connect).

    `organization` owns the server and limits which devices it reaches; None: the whole site. `sessions`
    names the session per UUID. Returns how many changed; unknown UUIDs are passed over. Raises ForeignServer.
    """
    at, uuids = at or clock.now(), sorted(set(device_uuids))
    life, ids = _current_life(server, organization), _reachable(uuids, organization)
    _settle_with_server(life, ids, at)
    return edges.vpn_edges(
        edges.CONNECTED,
        sets=f"vpn_server_id = %(owner)s, vpn_session = moves.session, {edges.CONTACT}",
        ids=ids,
        at=at,
        owner=life.pk,
        reason={"slug": "vpn-connected", "server": server},
        uuids=uuids,
        sessions=[(sessions or {}).get(uuid, "") for uuid in uuids],
    )


@transaction.atomic
def vpn_disconnected(
    server: str,
    device_uuids: Iterable[str],
    at: datetime | None = None,
    *,
    organization: Organization | None = None,
    sessions: Mapping[str, str] | None = None,
) -> int:
    """`server` lost these devices (protocol.md, vpn/disconnect): counts where it still owns them.

    With a session named, only where it is the current one. Otherwise as vpn_connected.
    """
    at, uuids = at or clock.now(), sorted(set(device_uuids))
    life, ids = _current_life(server, organization), _reachable(uuids, organization)
    _settle_with_server(life, ids, at)
    return edges.vpn_edges(
        edges.DISCONNECTED,
        sets=DISOWN,
        ids=ids,
        at=at,
        server=server,
        reason={"slug": "vpn-disconnected", "server": server},
        uuids=uuids,
        sessions=[(sessions or {}).get(uuid, "") for uuid in uuids],
    )


DISOWN = "vpn_server_id = NULL, vpn_session = ''"


@transaction.atomic
def vpn_alive(
    server: str,
    connected: Iterable[str] | None = None,
    at: datetime | None = None,
    *,
    boot: str | None = "",
    organization: Organization | None = None,
) -> int:
    """A life sign of `server`, with its whole list of connected devices if given (protocol.md, vpn/alive).

    `boot` names the process life; None: the caller does not know, then the first sign after a silence needs
    the list, else ListRequired. Returns how many devices changed. Raises ForeignServer.
    """
    at, life = at or clock.now(), _life(server, boot or "", organization)
    listed = _reachable(connected, organization) if connected is not None else None
    ids = _affected(life, listed, at)
    life, _ = _settle_with_server(life, ids, at)
    if boot is None and listed is None and life.lease_until and life.lease_until <= at:
        raise ListRequired(f"{server} was silent: its first sign after that must carry its list")
    life.last_sign_at = max(filter(None, [life.last_sign_at, at]))
    life.lease_until = life.due_at = life.last_sign_at + LEASE
    life.save(update_fields=["last_sign_at", "lease_until", "due_at"])
    params: dict[str, Any] = {
        "ids": ids,
        "at": at,
        "server": server,
        "owner": life.pk,
        "listed": listed,
    }
    if listed is None:
        return edges.vpn_edges(edges.REVIVED, reason={"slug": "vpn-server-back", "server": server}, **params)
    claimed = edges.vpn_edges(
        edges.CLAIMED,
        sets="vpn_server_id = %(owner)s, vpn_session ="
        " CASE WHEN d.vpn_server_id = %(owner)s THEN d.vpn_session ELSE '' END",
        reason={"slug": "vpn-listed", "server": server},
        **params,
    )
    return claimed + edges.vpn_edges(
        edges.UNLISTED,
        sets=DISOWN,
        reason={"slug": "vpn-unlisted", "server": server},
        unchanged_since=at - UNLISTED_AFTER,
        **params,
    )


def unknown_uuids(uuids: Iterable[str], organization: Organization | None) -> list[str]:
    """Those of `uuids` that name no device within reach, in the order given."""
    uuids = list(uuids)
    known = set(_in_reach(organization).filter(uuid__in=uuids).values_list("uuid", flat=True))
    return [uuid for uuid in uuids if uuid not in known]


def _in_reach(organization: Organization | None) -> Any:
    return Device.objects.all() if organization is None else Device.objects.filter(organization=organization)


def _reachable(uuids: Iterable[str], organization: Organization | None) -> list[int]:
    return list(_in_reach(organization).filter(uuid__in=list(uuids)).values_list("pk", flat=True))


def _life(server: str, boot: str, organization: Organization | None) -> VpnServer:
    """That process life of the server, made when new. A name belongs to whoever used it first."""
    first = VpnServer.objects.filter(name=server).order_by("pk").first()
    first = (
        first
        or VpnServer.objects.get_or_create(name=server, boot=boot, defaults={"organization": organization})[0]
    )
    if first.organization_id != (organization.pk if organization else None):
        raise ForeignServer(f"{server} is another organization's VPN server")
    return VpnServer.objects.get_or_create(name=server, boot=boot, defaults={"organization": organization})[0]


def _current_life(server: str, organization: Organization | None) -> VpnServer:
    """The server's newest process life: the one that connects and disconnects devices."""
    newest = VpnServer.objects.filter(name=server).order_by("-pk").values_list("boot", flat=True).first()
    return _life(server, newest or "", organization)


def _affected(life: VpnServer, listed: list[int] | None, at: datetime) -> list[int]:
    """The devices that a sign may change: those to revive, or to claim and to drop by the list."""
    lost = Q(vpn_server=life)
    if life.due_at is None or life.due_at > at:
        lost &= Q(vpn_connected=False)
    if listed is None:
        affected = lost
    else:
        kept = Q(vpn_server=life) & ~lost
        affected = (Q(pk__in=listed) & ~kept) | (Q(vpn_server__name=life.name) & ~Q(pk__in=listed))
    return sorted(Device.objects.filter(affected).values_list("pk", flat=True))


def _settle_with_server(life: VpnServer, ids: list[int], at: datetime) -> tuple[VpnServer, int]:
    """Lock the server and these devices and settle them; a lease of it that ended ends for all its devices.

    Returns the server as it is under the lock, and the number of edges.
    """
    owners = Device.objects.filter(pk__in=ids, vpn_connected=True).values("vpn_server")
    locked = VpnServer.objects.select_for_update(no_key=True).filter(
        Q(pk=life.pk) | Q(pk__in=owners, due_at__lte=at)
    )
    life = {each.pk: each for each in locked.order_by("pk")}[life.pk]
    ended = life.due_at is not None and life.due_at <= at
    own = Device.objects.filter(vpn_server=life, vpn_connected=True) if ended else Device.objects.none()
    recorded = settle_devices({*ids, *own.values_list("pk", flat=True)}, at)
    if ended:
        life.due_at = None
        life.save(update_fields=["due_at"])
    return life, recorded


# The clock


def settle_devices(ids: Iterable[int], at: datetime) -> int:
    """Record what the clock has done to these devices until `at`, in time order, dated at the deadlines.

    Takes every lock that writing their facts needs; called first by whoever does, in its transaction.
    Returns the number of edges.
    """
    ids = sorted(ids)
    edges.lock_devices(ids, at)
    recorded = 0
    while moved := edges.heartbeat_edges(edges.PASSED, ids=ids, at=at) + edges.vpn_edges(
        edges.ENDED, ids=ids, at=at
    ):
        recorded += moved
    return recorded


def settle(at: datetime | None = None) -> int:
    """Record every deadline that passed until `at`, in batches; safe anywhere, twice and in parallel.

    Reading never needs it: it keeps the recorded columns near the present and writes the history.
    Returns the number of edges.
    """
    at, recorded = at or clock.now(), 0
    for server in VpnServer.objects.filter(due_at__lte=at).order_by("due_at"):
        with transaction.atomic():
            recorded += _settle_with_server(server, [], at)[1]
    due = Heartbeat.objects.filter(due_at__lte=at).order_by("due_at").values_list("pk", flat=True)
    while ids := list(due[:SETTLE_BATCH]):
        with transaction.atomic():
            recorded += settle_devices(ids, at)
    return recorded
