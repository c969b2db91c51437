"""What was lost while Lookout was away: nobody knows when, though it was found out right after that.

It counts from the beginning of that interruption (devices/alerts/lifecycle.py), by which it is known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from devices.listing.grouping import LINK_OF_VPN
from devices.models import Incident, Outage


def lost_between(incidents: Iterable[Incident]) -> dict[int, tuple[datetime, datetime]]:
    """In which interruption of ours the first device of each lost the VPN, by primary key; of the others that
    was seen. One query at most.
    """
    found = _of_the_vpn(incidents)
    ends = _ends(one.first for one in found)
    return {one.pk: (one.first, ends[one.first]) for one in found if one.first in ends}


def spans(incidents: Iterable[Incident]) -> dict[int, timedelta]:
    """Within which time the devices of each were lost, by primary key; if that of the last was not seen, it
    ends with the interruption. One query at most.
    """
    every = list(incidents)
    ends = _ends(one.last for one in _of_the_vpn(every))
    return {one.pk: ends.get(one.last, one.last) - one.first for one in every}


def _of_the_vpn(incidents: Iterable[Incident]) -> list[Incident]:
    return [one for one in incidents if one.what in LINK_OF_VPN]


def _ends(begins: Iterable[datetime]) -> Mapping[datetime, datetime]:
    """When interruptions of ours ended that began then, by when they began."""
    wanted = set(begins)
    found = Outage.objects.filter(began_at__in=wanted) if wanted else Outage.objects.none()
    return dict(found.values_list("began_at", "ended_at"))
