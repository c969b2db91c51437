"""How many devices of an incident will be Offline, and when, unless they report."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from devices.alerts.cause import Cause
from devices.clock import Moment
from devices.listing import grouping
from devices.models import Device, Incident, IncidentMember
from devices.rules.vocabulary import Status


def of(incident: Incident, at: Moment) -> dict[str, Any] | None:
    """The forecast as messages have it: of the devices that share cause and moment and have their heartbeat.

    None: none of them will become Offline by the clock, or only their VPN server is silent, so that they are
    expected to poll on. One query beside those that find the cause.
    """
    if incident.what == grouping.SILENT:
        return None
    if incident.kind == grouping.ALONE:
        members = IncidentMember.objects.filter(incident=incident).values("device_id")
        lost: QuerySet[Any] = Device.objects.filter(organization=incident.organization_id, pk__in=members)
    else:
        lost = Cause(incident).lost
    falling = lost.order_by().filter(recorded_status=Status.HEARTBEAT_ONLY, poll__lost_at__gt=at.heard)
    found = falling.aggregate(more=Count("pk"), first=Min("poll__lost_at"), last=Max("poll__lost_at"))
    if not found["more"]:
        return None
    return {
        "more": found["more"],
        "status": str(Status.OFFLINE),
        "from": found["first"].isoformat(timespec="seconds"),
        "to": found["last"].isoformat(timespec="seconds"),
    }
