"""The open incident that a device stands in, for the lines and pages about the device."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from devices.models import Held, Incident, IncidentMember

INSIDE: Final = [IncidentMember.State.FIRING, IncidentMember.State.RECOVERING]
# By SQL: the ORM took most of its time.
READ: Final = """
SELECT member.device_id, incident.id, incident.uuid, incident.acknowledged_by_name
FROM devices_incidentmember member JOIN devices_incident incident ON incident.id = member.incident_id
WHERE member.device_id = ANY(%s) AND incident.state <> %s AND member.state = ANY(%s)
ORDER BY incident.now DESC, incident.id, member.id
"""


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
    found: dict[int, tuple[int, UUID, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(READ, [list(devices), Incident.State.RESOLVED, INSIDE])
        for device, *incident in cursor.fetchall():
            found.setdefault(device, (incident[0], incident[1], incident[2]))
    held = _held({pk for pk, *_ in found.values()}) if found else {}
    return {
        device: _short(uuid, acknowledged_by, held.get(pk))
        for device, (pk, uuid, acknowledged_by) in found.items()
    }


def _held(incidents: Iterable[int]) -> dict[int, Held]:
    held = Held.objects.filter(incident__in=incidents, target__person=None)
    return {one.incident_id: one for one in held.order_by("until", "pk")}


def _short(uuid: UUID, acknowledged_by: str, held: Held | None) -> Standing:
    return Standing(
        uuid=str(uuid),
        acknowledged_by=acknowledged_by,
        held_for=str(Held.Reason(held.reason).label) if held else "",
        held_until=held.until if held else None,
    )
