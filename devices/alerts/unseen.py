"""What was lost while Lookout was away: nobody knows when, though it was found out right after that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from devices.listing.grouping import LINK_OF_VPN
from devices.models import Incident, Outage

AFTER: Final = timedelta(seconds=60)  # within which VPN servers have told what they know


def lost_between(incidents: Iterable[Incident]) -> dict[int, tuple[datetime, datetime]]:
    """In which interruption of ours the first device of each lost the VPN, by primary key; of the others that
    was seen. One query at most.
    """
    found = [incident for incident in incidents if incident.what in LINK_OF_VPN]
    if not found:
        return {}
    first, last = min(one.first for one in found), max(one.first for one in found)
    before = Outage.objects.filter(ended_at__lte=last, ended_at__gt=first - AFTER).order_by("ended_at")
    spans = list(before.values_list("began_at", "ended_at"))
    return {one.pk: span for one in found for span in spans if one.first - AFTER < span[1] <= one.first}
