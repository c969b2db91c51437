"""What was true of an incident as of a moment, as JSON: every message of it is rendered from this alone.

Its fields are only ever added to. It holds no secret and no note of a device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count

from devices import advice
from devices.alerts.cause import Cause
from devices.alerts.decision import Known
from devices.alerts.sentences import many_sentence, one_sentence
from devices.alerts.unseen import lost_between
from devices.clock import Moment
from devices.listing import grouping
from devices.models import AlertRule, Device, Incident
from devices.models import IncidentMember as Member
from devices.rules.vocabulary import RANKS, Status
from devices.status.reading import with_status

NAMED: Final = 100  # devices of a message
INSIDE: Final = (Member.State.FIRING, Member.State.RECOVERING)
KINDS: Final = {
    grouping.ALONE: "device",
    grouping.SERVER: "server",
    grouping.ADDRESS: "address",
    grouping.WHOLE_FLEET: "fleet",
    grouping.TAG: "tag",
    grouping.RELEASE: "release",
    grouping.FLEET: "fleet",
}


def path(incident: Incident) -> str:
    """Where the page of an incident is, below the address of the site."""
    return f"/incidents/{incident.uuid}/"


def taken(
    incident: Incident,
    at: Moment,
    *,
    reason: str,
    rules: Sequence[AlertRule],
    known: Known | None = None,
    forecast: Mapping[str, Any] | None = None,
    acknowledged: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The snapshot of an incident for a message about it. `known`: what the target was told before."""
    counts = by_rank(incident)
    devices = _devices(incident)
    return {
        "incident": str(incident.uuid),
        "reason": reason,
        "as_of": _time(at.at),
        "severity": incident.severity,
        "rules": [{"uuid": str(rule.uuid), "name": rule.name, "severity": rule.severity} for rule in rules],
        "summary": sentence_of(incident, counts, at.at, devices),
        "cause": {
            "kind": KINDS[incident.kind],
            "key": incident.key,
            "what": incident.what,
            "first": _time(incident.first),
            "last": _time(incident.last),
        },
        "members": {
            "now": incident.now,
            "at_most": incident.at_most,
            "ever": incident.ever,
            "by_status": _by_status(counts),
        },
        "forecast": dict(forecast) if forecast else None,
        **_advice(incident, devices, at),
        "devices": [_device(member) for member in devices if member.device_uuid],
        "more_devices": max(0, incident.now - len(devices)),
        "told_before": {"members": known.members, "at": _time(known.at)} if known else None,
        "acknowledged": dict(acknowledged) if acknowledged else None,
        "lost_between": _between(incident),
        "opened_at": _time(incident.opened_at),
        "resolved_at": _time(incident.resolved_at) if incident.resolved_at else None,
        "url": path(incident),
        "runbook": next((rule.runbook for rule in rules if rule.runbook), ""),
    }


def _between(incident: Incident) -> dict[str, str] | None:
    unseen = lost_between(incident)
    return {"from": _time(unseen[0]), "to": _time(unseen[1])} if unseen else None


def over(incident: Incident) -> dict[str, Any]:
    """An incident whose end is told within the first message about another one."""
    resolved_at = _time(incident.resolved_at) if incident.resolved_at else None
    return {"incident": str(incident.uuid), "resolved_at": resolved_at, "url": path(incident)}


def sentence_of(
    incident: Incident, counts: Mapping[int, int], at: datetime, members: Sequence[Member] | None = None
) -> str:
    """What befell its devices, as one sentence without a full stop. `members`: the worst ones, once read."""
    if (incident.now or incident.at_most) == 1:
        for member in _devices(incident) if members is None else members:
            return one_sentence(incident, member)
    cause = Cause(incident)
    return many_sentence(incident, cause.place, cause.of(at), counts)


def by_rank(incident: Incident) -> dict[int, int]:
    """How many devices are in it, by the rank of what they are; of one that is over, those that were."""
    members = _members(incident).order_by().values_list("rank")
    return dict(members.annotate(number=Count("device_id", distinct=True)))


def _by_status(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(RANKS[rank] or "stalled"): number for rank, number in sorted(counts.items())}


def _members(incident: Incident) -> Any:
    """Those that are in it now; of one that is over, those that were."""
    members = Member.objects.filter(incident=incident)
    return members if incident.state == Incident.State.RESOLVED else members.filter(state__in=INSIDE)


def _devices(incident: Incident) -> list[Member]:
    """The first devices, the worst ones before; each once, however many rules hold it."""
    found: dict[int, Member] = {}
    for member in _members(incident).order_by("rank", "due_at", "pk")[: 3 * NAMED]:
        found.setdefault(member.device_id, member)
    return list(found.values())[:NAMED]


def _device(member: Member) -> dict[str, Any]:
    return {
        "uuid": member.device_uuid,
        "name": member.device_name,
        "status": member.status,
        "since": _time(member.since),
        "url": f"/devices/{member.device_uuid}/",
    }


def checks(incident: Incident, status: Status) -> tuple[advice.Check, ...]:
    """What a person checks first, where the worst device has this status."""
    return advice.steps(status, server_silent=incident.what == grouping.SILENT)


def _advice(incident: Incident, members: Sequence[Member], at: Moment) -> dict[str, list[str]]:
    """What works and what to check first, of the device that is worst."""
    worst = with_status(Device.objects.filter(pk__in=[member.device_id for member in members[:1]]), at)
    for device in worst.select_related("fleet", "organization"):
        works = [ability.name for ability in advice.works_now(device, at.at) if ability.works]
        return {
            "works_now": works,
            "check_first": [step.title for step in checks(incident, Status(device.status))],
        }
    return {"works_now": [], "check_first": []}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def lasted(incident: Incident, at: datetime) -> timedelta:
    """How long the incident has lasted, or did."""
    return (incident.resolved_at or at) - incident.opened_at
