"""The open incident that a device stands in, for the lines and pages about the device."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from devices.models import Held, Incident, IncidentMember

INSIDE = (IncidentMember.State.FIRING, IncidentMember.State.RECOVERING)


@dataclass(frozen=True)
class Standing:
    """An incident in short; `held_for`: why its organization is not told of it, "" where it is told."""

    uuid: str
    acknowledged_by: str
    held_for: str
    held_until: datetime | None


def standing(devices: Collection[int]) -> dict[int, Standing]:
    """The open incidents of these devices, by device; of several, the one with the most devices.

    One query, and one more where there are any.
    """
    members = IncidentMember.objects.filter(device_id__in=devices, state__in=INSIDE, incident__isnull=False)
    found: dict[int, Incident] = {}
    for member in members.select_related("incident").order_by("-incident__now", "incident_id", "pk"):
        if member.incident and member.incident.state != Incident.State.RESOLVED:
            found.setdefault(member.device_id, member.incident)
    held = _held(found.values()) if found else {}
    return {device: _short(incident, held.get(incident.pk)) for device, incident in found.items()}


def _held(incidents: Collection[Incident]) -> dict[int, Held]:
    held = Held.objects.filter(incident__in={one.pk for one in incidents}, target__person=None)
    return {one.incident_id: one for one in held.order_by("until", "pk")}


def _short(incident: Incident, held: Held | None) -> Standing:
    return Standing(
        uuid=str(incident.uuid),
        acknowledged_by=incident.acknowledged_by_name,
        held_for=str(Held.Reason(held.reason).label) if held else "",
        held_until=held.until if held else None,
    )
