"""How many devices of an incident will be Offline, and when, unless they report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, DateTimeField, Max, Min, QuerySet, Value
from django.db.models.functions import Cast

from devices.alerts.cause import Cause
from devices.clock import Moment
from devices.listing import grouping
from devices.models import Device, Incident, IncidentMember
from devices.rules.live_links import LOST_SQL
from devices.rules.vocabulary import Status
from fleets.postgres.expressions import Sql


def of(incidents: Iterable[Incident], at: Moment) -> dict[int, dict[str, Any]]:
    """The forecast of each incident as messages have it, by primary key: of the devices that share cause and
    moment and have their heartbeat.

    Of the others none will become Offline by the clock; or only their VPN server is silent, so that they are
    expected to poll on; or they are over. One query at most.
    """
    may = [one for one in incidents if one.what != grouping.SILENT and one.state != Incident.State.RESOLVED]
    each = [_falling(one, at) for one in may]
    found = each[0].union(*each[1:], all=True) if each else ()
    return {
        incident: {
            "more": more,
            "status": str(Status.OFFLINE),
            "from": first.isoformat(timespec="seconds"),
            "to": last.isoformat(timespec="seconds"),
        }
        for incident, more, first, last in found
        if more
    }


def _falling(incident: Incident, at: Moment) -> QuerySet[Any, Any]:
    """How many will become Offline, the first and the last time."""
    if incident.kind == grouping.ALONE:
        members = IncidentMember.objects.filter(incident=incident).values("device_id")
        lost: QuerySet[Any] = Device.objects.filter(organization=incident.organization_id, pk__in=members)
    else:
        lost = Cause(incident).lost
    falling = lost.order_by().filter(recorded_status=Status.HEARTBEAT_ONLY, poll__lost_at__gt=at.heard)
    resumed = Cast(Value(at.resumed), DateTimeField())
    lost_at = Sql(LOST_SQL, DateTimeField(), at=Value(at.heard), resumed=resumed)
    named = falling.annotate(incident=Value(incident.pk), lost_at=lost_at).values("incident")
    ends = named.annotate(more=Count("pk"), first=Min("lost_at"), last=Max("lost_at"))
    found: QuerySet[Any, Any] = ends.values_list("incident", "more", "first", "last")
    return found
