"""Whether the VPN servers report: if not, what the Attention page shows may not be the devices' fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from devices.clock import Moment
from devices.models import VpnServer
from fleets.models import Organization

FORGOTTEN_AFTER: Final = timedelta(days=1)  # a server silent for longer counts as removed


@dataclass(frozen=True)
class OwnSide:
    """The number of VPN servers that report, and name and moment of those that stopped reporting."""

    reporting: int
    silent: tuple[tuple[str, datetime], ...]


def own_side(organizations: Sequence[Organization], at: Moment) -> OwnSide:
    """The VPN servers of these organizations and of the site, of each its newest process; one query.

    Servers that never sent a life sign are left out.
    """
    heard = at.heard
    mine = Q(organization__in=organizations) | Q(organization=None)
    lives = VpnServer.objects.filter(mine, lease_until__gt=heard - FORGOTTEN_AFTER)
    newest = lives.order_by("organization_id", "name", "-lease_until").distinct("organization_id", "name")
    leases = list(newest.values_list("name", "lease_until"))
    silent = sorted((name, until) for name, until in leases if until and until <= heard)
    return OwnSide(len(leases) - len(silent), tuple(silent))
