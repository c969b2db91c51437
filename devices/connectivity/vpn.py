"""Recording what VPN servers report: connects, disconnects and life signs (protocol.md, vpn).

The order of locks is in devices/connectivity/__init__.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from devices import clock, freezing
from devices.clock import Moment
from devices.connectivity import vpn_beginning
from devices.connectivity.vpn_leases import (
    current_life,
    life_of,
    note_event,
    note_sign,
    note_usual_sign,
    same_server,
    settle_with_server,
)
from devices.models import Device, VpnServer
from devices.transitions import write as transitions
from fleets.models import Organization

UNLISTED_AFTER: Final = timedelta(seconds=30)  # a younger link may be missing in a list that was made before

# Assignments of who owns a link from now on. A session that its owner named before stays.
DISOWN: Final = "vpn_server_id = NULL, vpn_session = ''"
CLAIM: Final = """vpn_server_id = %(owner)s,
    vpn_session = CASE WHEN d.vpn_server_id = %(owner)s THEN d.vpn_session ELSE '' END"""


class ListRequired(Exception):
    """The first sign of a VPN server after its lease ended has neither a list nor names its process life."""


@transaction.atomic
def vpn_connected(
    server: str,
    device_uuids: Iterable[str],
    at: datetime | Moment | None = None,
    *,
    organization: Organization | None = None,
    sessions: Mapping[str, str] | None = None,
) -> int:
    """Record that these devices connected to `server`, which owns them then (protocol.md, vpn/connect).

    Renews the server's lease, without reviving its other devices. `organization` owns the server and limits
    which devices it reaches; None: a server of the site, which reaches all. `sessions` names the session by
    UUID. Returns how many devices changed; unknown UUIDs are ignored.
    """
    at, uuids = clock.moment(at), sorted(set(device_uuids))
    life, ids = current_life(server, organization), _reachable(uuids, organization)
    vpn_beginning.hold(ids, activates=True)
    _settle_for_event(life, ids, at)
    activated, beginning = vpn_beginning.found(ids)
    changed = transitions.write_vpn(
        transitions.CONNECTED,
        sets=f"vpn_server_id = %(owner)s, vpn_session = moves.session, {transitions.CONTACT}",
        ids=ids,
        at=at.at,
        owner=life.pk,
        reason={"slug": "vpn-connected", "server": server},
        uuids=uuids,
        sessions=[(sessions or {}).get(uuid, "") for uuid in uuids],
    )
    vpn_beginning.begin(beginning, server, at.at)
    freezing.refreeze_activated(activated, at)
    return changed


@transaction.atomic
def vpn_disconnected(
    server: str,
    device_uuids: Iterable[str],
    at: datetime | Moment | None = None,
    *,
    organization: Organization | None = None,
    sessions: Mapping[str, str] | None = None,
) -> int:
    """Record that these devices disconnected from `server` (protocol.md, vpn/disconnect).

    Counts for devices that the server still owns; where `sessions` names the session of a UUID, only if that
    is the current one. Renews the server's lease. `organization` owns the server and limits which devices it
    reaches; None: a server of the site, which reaches all. Returns how many devices changed; unknown UUIDs
    are ignored.
    """
    at, uuids = clock.moment(at), sorted(set(device_uuids))
    life, ids = current_life(server, organization), _reachable(uuids, organization)
    _settle_for_event(life, ids, at)
    return transitions.write_vpn(
        transitions.DISCONNECTED,
        sets=DISOWN,
        ids=ids,
        at=at.at,
        server=server,
        organization=life.organization_id,
        reason={"slug": "vpn-disconnected", "server": server},
        uuids=uuids,
        sessions=[(sessions or {}).get(uuid, "") for uuid in uuids],
    )


@transaction.atomic
def vpn_alive(
    server: str,
    connected: Iterable[str] | None = None,
    at: datetime | Moment | None = None,
    *,
    boot: str | None = "",
    organization: Organization | None = None,
) -> int:
    """Record a life sign of `server`, with the UUIDs of all devices connected to it if `connected` is given.

    See protocol.md, vpn/alive. `boot` names the process life. None: the caller does not know it; then the
    first sign after the end of a lease requires `connected`, even after a connect. `organization` owns the
    server and limits which devices it reaches; None: a server of the site. Returns how many devices changed.
    Raises ListRequired.
    """
    at = clock.moment(at)
    if connected is None and note_usual_sign(server, boot or "", organization, at):
        return 0
    life = life_of(server, boot or "", organization)
    listed = _reachable(connected, organization) if connected is not None else None
    ids = _affected(life, listed, at)
    vpn_beginning.hold(ids, activates=False)
    life, _ = settle_with_server(life, ids, at)
    silent = bool(ids) or (life.lease_until is not None and life.lease_until <= at.heard)
    if boot is None and listed is None and silent:
        raise ListRequired(f"{server} was silent, so its first sign after that must contain its list")
    note_sign(life, at)
    if not ids:
        return 0
    changed = _revive(life, ids, at) if listed is None else _follow_list(life, ids, listed, at)
    if changed:
        vpn_beginning.begin(vpn_beginning.found(ids)[1], server, at.at)
    return changed


def _revive(life: VpnServer, ids: list[int], at: Moment) -> int:
    """Connect the devices again that the server still owns; returns how many changed."""
    reason = {"slug": "vpn-server-back", "server": life.name}
    return transitions.write_vpn(transitions.REVIVED, ids=ids, at=at.at, owner=life.pk, reason=reason)


def _follow_list(life: VpnServer, ids: list[int], listed: list[int], at: Moment) -> int:
    """Connect the devices in `listed`, and disconnect the server's others; returns how many changed."""
    params: dict[str, Any] = {
        "ids": ids,
        "at": at.at,
        "server": life.name,
        "organization": life.organization_id,
        "owner": life.pk,
        "listed": listed,
    }
    reason = {"slug": "vpn-listed", "server": life.name}
    claimed = transitions.write_vpn(transitions.CLAIMED, sets=CLAIM, reason=reason, **params)
    reason = {"slug": "vpn-unlisted", "server": life.name}
    since = at.at - UNLISTED_AFTER
    return claimed + transitions.write_vpn(
        transitions.UNLISTED, sets=DISOWN, reason=reason, unchanged_since=since, **params
    )


def unknown_uuids(uuids: Iterable[str], organization: Organization | None) -> list[str]:
    """Those of `uuids` that name no device of `organization` (None: of the site), in the order given."""
    uuids = list(uuids)
    known = set(_in_reach(organization).filter(uuid__in=uuids).values_list("uuid", flat=True))
    return [uuid for uuid in uuids if uuid not in known]


def _in_reach(organization: Organization | None) -> Any:
    return Device.objects.all() if organization is None else Device.objects.filter(organization=organization)


def _reachable(uuids: Iterable[str], organization: Organization | None) -> list[int]:
    return list(_in_reach(organization).filter(uuid__in=list(uuids)).values_list("pk", flat=True))


def _affected(life: VpnServer, listed: list[int] | None, at: Moment) -> list[int]:
    """Ids of the devices that a sign may change: those to revive, or with a list those to connect or drop."""
    lost = Q(vpn_server=life)
    if life.due_at is None or life.due_at > at.heard:
        lost &= Q(vpn_connected=False)
    if listed is None:
        affected = lost
    else:
        kept = Q(vpn_server=life) & ~lost
        affected = (Q(pk__in=listed) & ~kept) | (same_server(life, "vpn_server__") & ~Q(pk__in=listed))
    return sorted(Device.objects.filter(affected).values_list("pk", flat=True))


def _settle_for_event(life: VpnServer, ids: list[int], at: Moment) -> None:
    """Settle these devices and note an event of the server, before the event itself is written."""
    life, _ = settle_with_server(life, ids, at)
    note_event(life, at)
