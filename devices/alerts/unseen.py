"""What was lost while Lookout was away: nobody knows when, though it was found out right after that."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from devices.listing.grouping import LINK_OF_VPN
from devices.models import Incident, Outage

AFTER: Final = timedelta(seconds=60)  # within which VPN servers have told what they know


def lost_between(incident: Incident) -> tuple[datetime, datetime] | None:
    """In which interruption of ours the first of its devices lost the VPN; None: that was seen. One query."""
    if incident.what not in LINK_OF_VPN:
        return None
    before = Outage.objects.filter(ended_at__lte=incident.first, ended_at__gt=incident.first - AFTER)
    return before.order_by("-ended_at").values_list("began_at", "ended_at").first()
