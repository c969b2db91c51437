"""The only writer of link facts: state polls, VPN connect and disconnect, server leases, the clock.

Every function is atomic, idempotent and safe beside itself. It locks in one order, Organization (where a
contact activates), VpnServer, Heartbeat by device id, Device by id, then records what the clock has done
to its devices (settle_devices), then what it was told; so no deadline that nobody recorded is ever
skipped. `at` is the moment a fact is dated by; None: the database's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Min, Q

from devices import clock, freezing
from devices.clock import Moment
from devices.connectivity.heartbeats import record_heartbeats
from devices.connectivity.vpn_leases import current_life, life_of, note_event, renew, same_server
from devices.models import Device, Heartbeat, VpnServer
from devices.status import counters
from devices.transitions import write as transitions
from devices.transitions.write import settle_devices
from fleets.models import Organization

UNLISTED_AFTER = timedelta(seconds=30)  # a younger link may be missing from a list made before it
SETTLE_BATCH = 2000  # devices per transaction
SETTLE_AHEAD = 50  # batches that are found at once

__all__ = [
    "ListRequired",
    "lag",
    "record_heartbeats",
    "settle",
    "settle_devices",
    "unknown_uuids",
    "vpn_alive",
    "vpn_connected",
    "vpn_disconnected",
]


class ListRequired(Exception):
    """The first sign after a silence lacks the list of a server that does not name its process life."""


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

    A lease of it is renewed, none of its other devices revived. `organization` owns the server and limits
    which devices it reaches; None: the site's own server of that name reaches all. `sessions` names the
    session per UUID. Returns how many changed; unknown UUIDs are passed over.
    """
    at, uuids = clock.known(at or clock.now()), sorted(set(device_uuids))
    life, ids = current_life(server, organization), _reachable(uuids, organization)
    freezing.hold_for_contact(ids)
    _settle_for_event(life, ids, at)
    activated = list(Device.objects.filter(pk__in=ids, is_active=False).values_list("pk", flat=True))
    changed = transitions.vpn_edges(
        transitions.CONNECTED,
        sets=f"vpn_server_id = %(owner)s, vpn_session = moves.session, {transitions.CONTACT}",
        ids=ids,
        at=at,
        owner=life.pk,
        reason={"slug": "vpn-connected", "server": server},
        uuids=uuids,
        sessions=[(sessions or {}).get(uuid, "") for uuid in uuids],
    )
    freezing.refreeze_activated(activated, at)
    return changed


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

    With a session named, only where it is the current one. Otherwise as vpn_connected, its lease too.
    """
    at, uuids = clock.known(at or clock.now()), sorted(set(device_uuids))
    life, ids = current_life(server, organization), _reachable(uuids, organization)
    _settle_for_event(life, ids, at)
    return transitions.vpn_edges(
        transitions.DISCONNECTED,
        sets=DISOWN,
        ids=ids,
        at=at,
        server=server,
        organization=life.organization_id,
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
    the list, else ListRequired, even if a connect came before it. Returns how many devices changed.
    """
    at, life = clock.known(at or clock.now()), life_of(server, boot or "", organization)
    listed = _reachable(connected, organization) if connected is not None else None
    ids = _affected(life, listed, at)
    life, _ = _settle_with_server(life, ids, at)
    silent = bool(ids) or (life.lease_until is not None and life.lease_until <= at.heard)
    if boot is None and listed is None and silent:
        raise ListRequired(f"{server} was silent: its first sign after that must carry its list")
    life.last_sign_at = max(filter(None, [life.last_sign_at, at]))
    life.save(update_fields=["last_sign_at"])
    for each in (life, *VpnServer.objects.filter(same_server(life), lease_until=None).exclude(pk=life.pk)):
        renew(each, at)
    params: dict[str, Any] = {
        "ids": ids,
        "at": at,
        "server": server,
        "organization": life.organization_id,
        "owner": life.pk,
        "listed": listed,
    }
    if listed is None:
        return transitions.vpn_edges(
            transitions.REVIVED, reason={"slug": "vpn-server-back", "server": server}, **params
        )
    claimed = transitions.vpn_edges(
        transitions.CLAIMED,
        sets="vpn_server_id = %(owner)s, vpn_session ="
        " CASE WHEN d.vpn_server_id = %(owner)s THEN d.vpn_session ELSE '' END",
        reason={"slug": "vpn-listed", "server": server},
        **params,
    )
    return claimed + transitions.vpn_edges(
        transitions.UNLISTED,
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


def _affected(life: VpnServer, listed: list[int] | None, at: Moment) -> list[int]:
    """The devices that a sign may change: those to revive, or to claim and to drop by the list."""
    lost = Q(vpn_server=life)
    if life.due_at is None or life.due_at > at.heard:
        lost &= Q(vpn_connected=False)
    if listed is None:
        affected = lost
    else:
        kept = Q(vpn_server=life) & ~lost
        affected = (Q(pk__in=listed) & ~kept) | (same_server(life, "vpn_server__") & ~Q(pk__in=listed))
    return sorted(Device.objects.filter(affected).values_list("pk", flat=True))


def _settle_with_server(life: VpnServer, ids: list[int], at: Moment) -> tuple[VpnServer, int]:
    """Lock the server and these devices and settle them; a lease of it that ended ends for all its devices.

    Lives of its name without a lease are locked too: a sign gives them one. Returns the server as it is
    under the lock, and the number of edges.
    """
    owners = Device.objects.filter(pk__in=ids, vpn_connected=True).values("vpn_server")
    locked = VpnServer.objects.select_for_update(no_key=True).filter(
        Q(pk=life.pk) | (same_server(life) & Q(lease_until=None)) | Q(pk__in=owners, due_at__lte=at.heard)
    )
    found = {each.pk: each for each in locked.order_by("pk")}
    if life.pk not in found:
        life.save(force_insert=True)  # it was forgotten a moment ago
    life = found.get(life.pk, life)
    ended = life.due_at is not None and life.due_at <= at.heard
    own = Device.objects.filter(vpn_server=life, vpn_connected=True) if ended else Device.objects.none()
    recorded = settle_devices({*ids, *own.values_list("pk", flat=True)}, at)
    if ended:
        life.due_at = None
        life.save(update_fields=["due_at"])
    return life, recorded


def _settle_for_event(life: VpnServer, ids: list[int], at: Moment) -> None:
    """The same before a connect or disconnect."""
    life, _ = _settle_with_server(life, ids, at)
    note_event(life, at)


# The clock


def settle(at: datetime | None = None) -> int:
    """Record every deadline that passed until `at`, in batches; safe anywhere, twice and in parallel.

    Reading never needs it: it keeps the recorded columns near the present, writes the history and folds
    the counters. What passed since the newest pulse waits for the next one: an outage may have begun there.
    Returns the number of edges.
    """
    at, recorded = clock.known(at or clock.now()).concluded, 0
    for server in VpnServer.objects.filter(due_at__lte=at).order_by("due_at"):
        with transaction.atomic():
            recorded += _settle_with_server(server, [], at)[1]
    due = Heartbeat.objects.filter(due_at__lte=at).order_by("due_at").values_list("pk", flat=True)
    while ids := sorted(due[: SETTLE_AHEAD * SETTLE_BATCH]):  # neighbours are written together
        batches = [ids[start : start + SETTLE_BATCH] for start in range(0, len(ids), SETTLE_BATCH)]
        recorded += _settle_batches(batches, at)
    counters.fold()
    return recorded


def _settle_batches(batches: list[list[int]], at: Moment) -> int:
    """Each in a transaction of its own, or in the caller's. Returns the number of edges.

    Every other one runs beside, on another connection: one alone keeps but one processor of the database
    busy. No device is in two batches, so neither side waits for the other.
    """
    if len(batches) == 1 or connection.in_atomic_block:
        return _settle_one_by_one(batches, at)
    with ThreadPoolExecutor(1) as thread:
        beside = thread.submit(_settle_beside, batches[1::2], at)
        return _settle_one_by_one(batches[::2], at) + beside.result()


def _settle_beside(batches: list[list[int]], at: Moment) -> int:
    try:
        return _settle_one_by_one(batches, at)
    finally:
        connection.close()  # this thread's own


def _settle_one_by_one(batches: list[list[int]], at: Moment) -> int:
    recorded = 0
    for ids in batches:
        with transaction.atomic():
            recorded += settle_devices(ids, at)
    return recorded


def lag(at: datetime | None = None) -> timedelta:
    """How far the history is behind: since the oldest deadline that passed unrecorded; by two indexes."""
    at = clock.known(at or clock.now()).concluded
    passed = [due.filter(due_at__lte=at).aggregate(first=Min("due_at"))["first"] for due in DUE]
    return at - min((each for each in passed if each), default=at)


DUE: tuple[Any, ...] = (Heartbeat.objects, VpnServer.objects)
