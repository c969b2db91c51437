"""The process lives of VPN servers and their leases (domain.md, VPN); behind devices/connectivity."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from devices.clock import LEASE, Moment
from devices.models import Device, VpnServer
from devices.transitions.write import settle_devices
from fleets.models import Organization

FORGOTTEN_AFTER: Final = timedelta(days=30)


def life_of(server: str, boot: str, organization: Organization | None) -> VpnServer:
    """That process life of the organization's, or the site's own, server of this name, made when new."""
    return VpnServer.objects.get_or_create(name=server, boot=boot, organization=organization)[0]


def current_life(server: str, organization: Organization | None) -> VpnServer:
    """The server's newest process life: the one that connects and disconnects devices."""
    lives = VpnServer.objects.filter(name=server, organization=organization)
    return life_of(server, lives.order_by("-pk").values_list("boot", flat=True).first() or "", organization)


def same_server(life: VpnServer, owner: str = "") -> Q:
    """All lives of its server; `owner` leads to them, as `vpn_server__` does from a device."""
    return Q(**{f"{owner}name": life.name, f"{owner}organization": life.organization_id})


def settle_with_server(life: VpnServer, ids: list[int], at: Moment) -> tuple[VpnServer, int]:
    """Lock the server and these devices and settle them; a lease of it that ended ends for all its devices.

    Lives of its name without a lease are locked too: a sign gives them one. Returns the server as it is
    under the lock, and the number of transitions.
    """
    owners = Device.objects.filter(pk__in=ids, vpn_connected=True).values("vpn_server")
    locked = VpnServer.objects.select_for_update(no_key=True).filter(
        Q(pk=life.pk) | (same_server(life) & Q(lease_until=None)) | Q(pk__in=owners, due_at__lte=at.heard)
    )
    found = {server.pk: server for server in locked.order_by("pk")}
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


def note_sign(life: VpnServer, at: Moment) -> None:
    """It gave a sign: renews its lease, and gives one to lives of its name without; under their locks."""
    life.last_sign_at = max(filter(None, [life.last_sign_at, at.at]))
    life.save(update_fields=["last_sign_at"])
    for server in (life, *VpnServer.objects.filter(same_server(life), lease_until=None).exclude(pk=life.pk)):
        renew(server, at)


def note_event(life: VpnServer, at: Moment) -> None:
    """It reported a connect or disconnect, which renews the lease of one that has signed; under its lock."""
    life.last_event_at = max(filter(None, [life.last_event_at, at.at]))
    life.save(update_fields=["last_event_at"])
    if life.lease_until:
        renew(life, at)


def renew(life: VpnServer, at: Moment) -> None:
    """Let its lease last 60 s from this moment, whether it had ended or not; under its lock."""
    life.lease_until = life.due_at = max(filter(None, [life.lease_until, at.at + LEASE]))
    life.save(update_fields=["lease_until", "due_at"])


@transaction.atomic
def forget(at: datetime) -> int:
    """Delete the lives that have no device and said nothing for 30 days; returns how many.

    One that speaks at this moment is passed over: it holds the lock of its row.
    """
    before = at - FORGOTTEN_AFTER
    silent = VpnServer.objects.exclude(last_sign_at__gt=before).exclude(last_event_at__gt=before)
    silent = silent.filter(~Exists(Device.objects.filter(vpn_server=OuterRef("pk"))))
    ids = list(silent.select_for_update(skip_locked=True).values_list("pk", flat=True))
    return VpnServer.objects.filter(pk__in=ids).delete()[0]
