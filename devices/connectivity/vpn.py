"""What VPN servers tell: who connected, who disconnected, and that they live (protocol.md, vpn).

Part of devices/connectivity; see there for the order of locks.
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
    same_server,
    settle_with_server,
)
from devices.models import Device, VpnServer
from devices.transitions import write as transitions
from fleets.models import Organization

UNLISTED_AFTER: Final = timedelta(seconds=30)  # a younger link may be missing from a list made before it

# Who owns the link from now on; a session that its own server named stays.
DISOWN: Final = "vpn_server_id = NULL, vpn_session = ''"
CLAIM: Final = """vpn_server_id = %(owner)s,
    vpn_session = CASE WHEN d.vpn_server_id = %(owner)s THEN d.vpn_session ELSE '' END"""


class ListRequired(Exception):
    """The first sign after a silence lacks the list of a server that does not name its process life."""


@transaction.atomic
def vpn_connected(
    server: str,
    device_uuids: Iterable[str],
    at: datetime | Moment | None = None,
    *,
    organization: Organization | None = None,
    sessions: Mapping[str, str] | None = None,
) -> int:
    """These devices connected to `server`, which owns them from now on (protocol.md, vpn/connect).

    A lease of it is renewed, none of its other devices revived. `organization` owns the server and limits
    which devices it reaches; None: the site's own server of that name reaches all. `sessions` names the
    session per UUID. Returns how many changed; unknown UUIDs are passed over.
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
    """`server` lost these devices (protocol.md, vpn/disconnect): counts where it still owns them.

    With a session named, only where it is the current one. Otherwise as vpn_connected, its lease too.
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
    """A life sign of `server`, with its whole list of connected devices if given (protocol.md, vpn/alive).

    `boot` names the process life; None: the caller does not know, then the first sign after a silence needs
    the list, else ListRequired, even if a connect came before it. Returns how many devices changed.
    """
    at, life = clock.moment(at), life_of(server, boot or "", organization)
    listed = _reachable(connected, organization) if connected is not None else None
    ids = _affected(life, listed, at)
    vpn_beginning.hold(ids, activates=False)
    life, _ = settle_with_server(life, ids, at)
    silent = bool(ids) or (life.lease_until is not None and life.lease_until <= at.heard)
    if boot is None and listed is None and silent:
        raise ListRequired(f"{server} was silent, so its first sign after that must contain its list")
    note_sign(life, at)
    changed = _revive(life, ids, at) if listed is None else _follow_list(life, ids, listed, at)
    if changed:
        vpn_beginning.begin(vpn_beginning.found(ids)[1], server, at.at)
    return changed


def _revive(life: VpnServer, ids: list[int], at: Moment) -> int:
    """Connect what it still owns again."""
    reason = {"slug": "vpn-server-back", "server": life.name}
    return transitions.write_vpn(transitions.REVIVED, ids=ids, at=at.at, owner=life.pk, reason=reason)


def _follow_list(life: VpnServer, ids: list[int], listed: list[int], at: Moment) -> int:
    """Let it own what it lists, and lose what it does not."""
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


def _settle_for_event(life: VpnServer, ids: list[int], at: Moment) -> None:
    """Settle these devices, and note that the server said something: before that is written."""
    life, _ = settle_with_server(life, ids, at)
    note_event(life, at)
