"""Incidents for tests, with devices in them, rules and what was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from devices.listing import grouping
from devices.models import (
    AlertMessage,
    AlertRule,
    AlertTarget,
    Device,
    Held,
    Incident,
    IncidentMember,
)
from fleets.models import Organization

MINUTE = timedelta(minutes=1)


def make_incident(organization: Organization, at: datetime, **fields: Any) -> Incident:
    """An open one, which began at that moment, of devices at one public address."""
    values: dict[str, Any] = {"kind": grouping.ADDRESS, "key": "203.0.113.7", "what": "vpn", "rank": 0}
    values |= {"first": at - 2 * MINUTE, "last": at - MINUTE, "opened_at": at, "tell_at": at + MINUTE}
    values |= {"state": "firing", "severity": "critical", "now": 12, "at_most": 12, "ever": 12}
    return Incident.objects.create(organization=organization, **values | fields)


def make_rule(organization: Organization, name: str = "Lost together", **fields: Any) -> AlertRule:
    values: dict[str, Any] = {"condition": "together", "severity": "critical", "delay": 120, "hold": 120}
    return AlertRule.objects.create(organization=organization, name=name, **values | fields)


def put_in(incident: Incident, devices: Sequence[Device], rule: AlertRule, **fields: Any) -> None:
    """Make these devices its members."""
    values: dict[str, Any] = {"state": "firing", "since": incident.first, "due_at": incident.opened_at}
    values |= {"status": "offline", "rank": 0, "what": incident.what, "moment": incident.first}
    IncidentMember.objects.bulk_create(
        IncidentMember(
            organization_id=incident.organization_id,
            rule=rule,
            incident=incident,
            device_id=device.pk,
            device_uuid=device.uuid,
            device_name=device.name,
            fleet_id=device.fleet_id,
            **values | fields,
        )
        for device in devices
    )


def page_of(organization: Organization) -> AlertTarget:
    """The organization's page."""
    found, _ = AlertTarget.objects.get_or_create(
        organization=organization, kind=AlertTarget.Kind.PAGE, defaults={"name": "Page"}
    )
    return found


def tell(incident: Incident, target: AlertTarget, at: datetime, **fields: Any) -> AlertMessage:
    """A message about it that the target has taken."""
    number = AlertMessage.objects.filter(incident=incident, target=target).count() + 1
    snapshot: dict[str, Any] = {
        "summary": f"Summary {number}",
        "reason": "fired",
        "severity": incident.severity,
    }
    snapshot |= {
        "incident": str(incident.uuid),
        "members": {"now": incident.now},
        "url": f"/incidents/{incident.uuid}/",
    }
    values: dict[str, Any] = {"kind": "first", "outcome": "accepted", "accepted_at": at, "snapshot": snapshot}
    values |= {"as_of": at, "created_at": at, "number": number}
    return AlertMessage.objects.create(
        organization_id=incident.organization_id, incident=incident, target=target, **values | fields
    )


def hold(incident: Incident, target: AlertTarget, at: datetime, **fields: Any) -> Held:
    values: dict[str, Any] = {"reason": "maintenance", "words": "Rewiring", "until": at + 60 * MINUTE}
    return Held.objects.create(incident=incident, target=target, since=at, **values | fields)
