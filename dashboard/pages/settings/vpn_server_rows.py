"""The rows of the page of VPN servers: life signs, lease, devices and boots of each server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, DateTimeField, Q, Value

from devices.clock import Moment
from devices.models import Device, VpnServer
from devices.rules.live_links import links_at
from fleets.models import Organization

SHOWN: Final = 200  # servers on the page


@dataclass(frozen=True)
class ServerRow:
    name: str
    of_site: bool  # whether it is a server of the site, for several organizations
    last_sign_at: datetime | None
    last_event_at: datetime | None  # the newest connect or disconnect
    lease_until: datetime | None  # None: it has sent no life sign, so its reports do not expire
    ended: bool  # whether its lease has ended
    connected: int  # devices of the organization that are connected to it now
    waiting: int  # devices that it owns, and that its next life sign connects again
    instances: int  # boots that are stored
    boot: str  # the name of its newest boot

    @property
    def said_at(self) -> datetime | None:
        return max(filter(None, [self.last_sign_at, self.last_event_at]), default=None)


def listed(organization: Organization, at: Moment) -> tuple[list[ServerRow], int]:
    """At most SHOWN servers, and their total number: the organization's, and the site's that own its devices.

    Servers with devices come first, then those that reported last.
    """
    devices = _devices(organization, at)
    shown = Q(organization=organization) | Q(organization=None, pk__in=list(devices))
    servers: dict[tuple[str, bool], list[VpnServer]] = defaultdict(list)
    for life in VpnServer.objects.filter(shown).order_by("pk"):
        servers[life.name, life.organization_id is None].append(life)
    rows = [_row(lives, devices, at.heard) for lives in servers.values()]
    rows.sort(key=lambda row: row.name)
    rows.sort(key=lambda row: (row.connected + row.waiting > 0, _seconds(row.said_at)), reverse=True)
    return rows[:SHOWN], len(rows)


def _devices(organization: Organization, at: Moment) -> dict[int, tuple[int, int]]:
    """The number of the organization's devices that each boot owns, and how many are connected at `at`."""
    owned = Device.objects.filter(organization=organization, vpn_server__isnull=False).order_by()
    linked = owned.annotate(vpn=links_at(Value(at.heard, DateTimeField()))["vpn"])
    counts = linked.values("vpn_server").annotate(
        owned=Count("pk"), connected=Count("pk", filter=Q(vpn=True))
    )
    return {count["vpn_server"]: (count["owned"], count["connected"]) for count in counts}


def _row(lives: list[VpnServer], devices: dict[int, tuple[int, int]], heard: datetime) -> ServerRow:
    numbers = [devices.get(life.pk, (0, 0)) for life in lives]
    owned, connected = (sum(item) for item in zip(*numbers, strict=True))
    lease_until = _newest(life.lease_until for life in lives)
    return ServerRow(
        name=lives[-1].name,
        of_site=lives[-1].organization_id is None,
        last_sign_at=_newest(life.last_sign_at for life in lives),
        last_event_at=_newest(life.last_event_at for life in lives),
        lease_until=lease_until,
        ended=lease_until is not None and lease_until <= heard,
        connected=connected,
        waiting=owned - connected,
        instances=len(lives),
        boot=lives[-1].boot,
    )


def _newest(moments: Iterable[datetime | None]) -> datetime | None:
    return max(filter(None, moments), default=None)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
