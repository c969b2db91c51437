"""Whether what the Attention page shows may be our own fault: whether we and the VPN servers report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from devices.clock import Moment
from devices.models import VpnServer
from fleets.models import Organization

LOOKED_BACK: Final = timedelta(days=1)  # a server that has said nothing for longer is none any more


@dataclass(frozen=True)
class OwnSide:
    """How many VPN servers report, and which stopped: name and when; those without a lease are not told."""

    reporting: int
    silent: tuple[tuple[str, datetime], ...]


def own_side(organizations: Sequence[Organization], at: Moment) -> OwnSide:
    """The VPN servers of these organizations and of the site, the newest process life of each. One query."""
    heard = at.heard
    mine = Q(organization__in=organizations) | Q(organization=None)
    lives = VpnServer.objects.filter(mine, lease_until__gt=heard - LOOKED_BACK)
    newest = lives.order_by("organization_id", "name", "-lease_until").distinct("organization_id", "name")
    leases = list(newest.values_list("name", "lease_until"))
    silent = sorted((name, until) for name, until in leases if until and until <= heard)
    return OwnSide(len(leases) - len(silent), tuple(silent))
