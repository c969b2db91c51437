"""Whether the VPN servers report: if not, what the Attention page shows may not be the devices' fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from devices.clock import Moment
from fleets.models import Organization

FORGOTTEN_AFTER: Final = timedelta(days=1)  # a server silent for longer counts as removed
# By SQL: the ORM took most of its time.
NEWEST: Final = """
SELECT DISTINCT ON (organization_id, name) name, lease_until FROM devices_vpnserver
WHERE (organization_id = ANY(%s) OR organization_id IS NULL) AND lease_until > %s
ORDER BY organization_id, name, lease_until DESC
"""


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
    mine = [organization.pk for organization in organizations]
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [mine, heard - FORGOTTEN_AFTER])
        leases: list[tuple[str, datetime]] = cursor.fetchall()
    silent = sorted((name, until) for name, until in leases if until <= heard)
    return OwnSide(len(leases) - len(silent), tuple(silent))
