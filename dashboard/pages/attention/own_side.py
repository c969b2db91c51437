"""Whether the site's own VPN servers report, as silent ones may be the cause of what needs attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from devices.clock import Moment
from devices.models import VpnServer
from fleets.models import Organization

LOOKED_BACK: Final = timedelta(days=1)  # a server that has not reported for longer counts as removed


@dataclass(frozen=True)
class OwnSide:
    """The number of VPN servers that report, and the name and end of the lease of those that stopped."""

    reporting: int
    silent: tuple[tuple[str, datetime], ...]


def own_side(organizations: Sequence[Organization], at: Moment) -> OwnSide:
    """The state of the VPN servers of these organizations and of the whole site, in one query.

    Of each server the newest boot counts; servers that never had a lease are left out.
    """
    heard = at.heard
    owned = Q(organization__in=organizations) | Q(organization=None)
    boots = VpnServer.objects.filter(owned, lease_until__gt=heard - LOOKED_BACK)
    newest = boots.order_by("organization_id", "name", "-lease_until").distinct("organization_id", "name")
    leases = list(newest.values_list("name", "lease_until"))
    silent = sorted((name, until) for name, until in leases if until and until <= heard)
    return OwnSide(len(leases) - len(silent), tuple(silent))
