"""The process lives of VPN servers and their leases (domain.md, VPN); behind devices/connectivity.py."""

from __future__ import annotations

from devices.clock import LEASE, Moment
from devices.models import VpnServer
from fleets.models import Organization


class ForeignServer(Exception):
    """The name belongs to another organization's VPN server."""


def life_of(server: str, boot: str, organization: Organization | None) -> VpnServer:
    """That process life of the server, made when new. A name belongs to whoever used it first."""
    first = VpnServer.objects.filter(name=server).order_by("pk").first()
    first = (
        first
        or VpnServer.objects.get_or_create(name=server, boot=boot, defaults={"organization": organization})[0]
    )
    if first.organization_id != (organization.pk if organization else None):
        raise ForeignServer(f"{server} is another organization's VPN server")
    return VpnServer.objects.get_or_create(name=server, boot=boot, defaults={"organization": organization})[0]


def current_life(server: str, organization: Organization | None) -> VpnServer:
    """The server's newest process life: the one that connects and disconnects devices."""
    newest = VpnServer.objects.filter(name=server).order_by("-pk").values_list("boot", flat=True).first()
    return life_of(server, newest or "", organization)


def renew(life: VpnServer, at: Moment) -> None:
    """Let its lease last 60 s from this moment, whether it had ended or not; under its lock."""
    life.lease_until = life.due_at = max(filter(None, [life.lease_until, at + LEASE]))
    life.save(update_fields=["lease_until", "due_at"])
