"""Writing what a round found: a few statements, whatever the number of devices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from django.db import connection
from django.db.models import F

from devices.alerts.lifecycle import State
from devices.alerts.replay import Replay
from devices.models import AlertRule, Incident, IncidentMember
from fleets.postgres.expressions import among

# What a round changes of a member, with the type of each column.
CHANGES: Final = {
    "incident_id": "bigint",
    "state": "text",
    "since": "timestamptz",
    "due_at": "timestamptz",
    "recovered_at": "timestamptz",
    "gone_at": "timestamptz",
    "reason": "text",
    "next_at": "timestamptz",
    "flaps": "int",
    "unstable": "boolean",
    "status": "text",
    "rank": "smallint",
    "what": "text",
    "moment": "timestamptz",
    "fleet_id": "bigint",
    "address": "inet",
    "server_id": "bigint",
    "release": "text",
}
UPDATE: Final = f"""
UPDATE devices_incidentmember m SET {", ".join(f"{name} = each.{name}" for name in CHANGES)}
FROM unnest(%(id)s::bigint[], {", ".join(f"%({name})s::{kind}[]" for name, kind in CHANGES.items())})
    AS each(id, {", ".join(CHANGES)})
WHERE m.id = each.id
"""
# A new member, with its tags as text: what never changes, and the above. Django takes ten times as long.
BEGUN: Final = ("organization_id", "rule_id", "device_id", "device_uuid", "device_name", *CHANGES)
COPY: Final = f"COPY devices_incidentmember ({', '.join(BEGUN)}, tags) FROM STDIN"
AT_ONCE: Final = 5_000  # members of a statement
OF_INCIDENT: Final = (
    *("kind", "key", "what", "first", "last", "severity", "state", "tell_at", "resolved_at", "apart_at"),
    *("now", "at_most", "ever", "rank", "merged_into", "missed"),
)


def write(replay: Replay, *, missed: bool) -> list[Incident]:
    """Write what a replay found; gives the incidents that changed. `missed`: alerting was away until then."""
    incidents = list(replay.incidents.values())
    there = [incident for incident in incidents if incident.pk]
    new = [incident for incident in incidents if not incident.pk]
    links = [(incident, incident.merged_into, incident.parted_from) for incident in new]
    for incident in new:
        incident.missed = missed and incident.resolved_at is not None and incident.merged_into is None
        incident.merged_into = incident.parted_from = None  # they may be as new
    Incident.objects.bulk_create(new)
    linked = [link for link in links if link[1] or link[2]]
    for incident, merged_into, parted_from in linked:
        incident.merged_into, incident.parted_from = merged_into, parted_from
    Incident.objects.bulk_update(
        [incident for incident, *_ in linked], ("merged_into", "parted_from"), batch_size=500
    )
    Incident.objects.bulk_update(there, OF_INCIDENT, batch_size=500)
    forgotten = [member.pk for member in replay.forgotten if member.pk]
    IncidentMember.objects.filter(among("pk", forgotten)).delete()
    _write_members(list(replay.members.values()))
    for rule, number in replay.came_back.items():
        AlertRule.objects.filter(pk=rule).update(came_back=F("came_back") + number)
    return incidents


def _write_members(members: Sequence[IncidentMember]) -> None:
    """Those that went first: a device that a rule holds stands once."""
    for member in members:
        member.incident_id = member.incident.pk if member.incident else None
    changed = sorted((m for m in members if m.pk), key=lambda m: (m.state != State.GONE, m.pk))
    for start in range(0, len(changed), AT_ONCE):
        some = changed[start : start + AT_ONCE]
        params: dict[str, Any] = {name: [getattr(m, name) for m in some] for name in ("id", *CHANGES)}
        with connection.cursor() as cursor:
            cursor.execute(UPDATE, params)
    if new := [member for member in members if not member.pk]:
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for member in new:
                copy.write_row([getattr(member, name) for name in BEGUN] + [json.dumps(member.tags)])
