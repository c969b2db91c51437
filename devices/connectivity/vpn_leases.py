"""The process lives of VPN servers and their leases (domain.md, VPN).

A life is one run of a server's process: the rows of VpnServer with one name and organization.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from devices.clock import LEASE, Moment
from devices.models import Device, VpnServer
from devices.transitions.write import settle_devices
from fleets.models import Organization
from fleets.postgres.round_trip import rows_of_each

FORGOTTEN_AFTER: Final = timedelta(days=30)
# A sign of a life whose lease goes on, of which nothing else follows: no device is to be connected again, and
# no other life of the server waits for a lease.
USUAL_SIGN: Final = """
UPDATE devices_vpnserver s
SET last_sign_at = GREATEST(last_sign_at, %(at)s),
    lease_until = GREATEST(lease_until, %(at)s + %(lease)s),
    due_at = GREATEST(lease_until, %(at)s + %(lease)s)
WHERE name = %(server)s AND boot = %(boot)s AND organization_id IS NOT DISTINCT FROM %(organization)s::bigint
  AND due_at > %(heard)s
  AND NOT EXISTS (SELECT FROM devices_device d WHERE d.vpn_server_id = s.id AND NOT d.vpn_connected)
  AND NOT EXISTS (SELECT FROM devices_vpnserver other WHERE other.lease_until IS NULL AND other.name = s.name
                  AND other.organization_id IS NOT DISTINCT FROM s.organization_id)
RETURNING id
"""


def life_of(server: str, boot: str, organization: Organization | None) -> VpnServer:
    """The process life `boot` of the server with this name, created if new; organization None: the site's."""
    return VpnServer.objects.get_or_create(name=server, boot=boot, organization=organization)[0]


def current_life(server: str, organization: Organization | None) -> VpnServer:
    """The newest process life of the server with this name, created if it has none; connects refer to it."""
    lives = VpnServer.objects.filter(name=server, organization=organization)
    return life_of(server, lives.order_by("-pk").values_list("boot", flat=True).first() or "", organization)


def same_server(life: VpnServer, owner: str = "") -> Q:
    """The condition of all lives of this server; `owner` is the path to them, `vpn_server__` of devices."""
    return Q(**{f"{owner}name": life.name, f"{owner}organization": life.organization_id})


def settle_with_server(life: VpnServer, ids: list[int], at: Moment) -> tuple[VpnServer, int]:
    """Lock and settle the server and these devices (by id); if its lease ended, all of its devices.

    Other lives of the server that have no lease are locked too, since a sign gives them one. Returns the life
    as read under the lock, and the number of transitions.
    """
    owners = Device.objects.filter(pk__in=ids, vpn_connected=True).values("vpn_server")
    locked = VpnServer.objects.select_for_update(no_key=True).filter(
        Q(pk=life.pk) | (same_server(life) & Q(lease_until=None)) | Q(pk__in=owners, due_at__lte=at.heard)
    )
    found = {server.pk: server for server in locked.order_by("pk")}
    if life.pk not in found:
        life.save(force_insert=True)  # `forget` deleted it a moment ago
    life = found.get(life.pk, life)
    ended = life.due_at is not None and life.due_at <= at.heard
    own = Device.objects.filter(vpn_server=life, vpn_connected=True) if ended else Device.objects.none()
    recorded = settle_devices({*ids, *own.values_list("pk", flat=True)}, at)
    if ended:
        life.due_at = None
        life.save(update_fields=["due_at"])
    return life, recorded


def note_sign(life: VpnServer, at: Moment) -> None:
    """Note a life sign: renews the lease, and gives one to lives of the server without. They are locked."""
    life.last_sign_at = max(filter(None, [life.last_sign_at, at.at]))
    renew(life, at, "last_sign_at")
    for server in VpnServer.objects.filter(same_server(life), lease_until=None).exclude(pk=life.pk):
        renew(server, at)


def note_usual_sign(server: str, boot: str, organization: Organization | None, at: Moment) -> bool:
    """Note a life sign without a list, as `note_sign` does, if nothing else follows of it; whether it did."""
    (found,) = rows_of_each(
        (USUAL_SIGN,),
        {
            "server": server,
            "boot": boot,
            "organization": organization and organization.pk,
            "at": at.at,
            "heard": at.heard,
            "lease": LEASE,
        },
    )
    return bool(found)


def note_event(life: VpnServer, at: Moment) -> None:
    """Note a connect or disconnect, which renews the lease if the life has one. The life is locked."""
    life.last_event_at = max(filter(None, [life.last_event_at, at.at]))
    if life.lease_until:
        renew(life, at, "last_event_at")
    else:
        life.save(update_fields=["last_event_at"])


def renew(life: VpnServer, at: Moment, *changed: str) -> None:
    """Extend the lease to 60 s after `at`, whether it had ended or not. The life is locked.

    `changed` names further fields to save.
    """
    life.lease_until = life.due_at = max(filter(None, [life.lease_until, at.at + LEASE]))
    life.save(update_fields=[*changed, "lease_until", "due_at"])


@transaction.atomic
def forget(at: datetime) -> int:
    """Delete the lives without a device that reported nothing for 30 days; returns how many.

    A life that is reporting at this moment is left, as its row is locked.
    """
    before = at - FORGOTTEN_AFTER
    silent = VpnServer.objects.exclude(last_sign_at__gt=before).exclude(last_event_at__gt=before)
    silent = silent.filter(~Exists(Device.objects.filter(vpn_server=OuterRef("pk"))))
    ids = list(silent.select_for_update(skip_locked=True).values_list("pk", flat=True))
    return VpnServer.objects.filter(pk__in=ids).delete()[0]
