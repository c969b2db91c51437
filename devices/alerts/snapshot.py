"""What was true of an incident as of a moment, as JSON: every message of it is rendered from this alone.

Its fields are only ever added to. It holds no secret and no note of a device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef

from devices import advice
from devices.alerts import forecast
from devices.alerts.cases import WORST_FIRST
from devices.alerts.decision import Known
from devices.alerts.sentences import THERE, Said, said_of
from devices.alerts.unseen import lost_between
from devices.clock import Moment
from devices.listing import grouping
from devices.models import AlertRule, Device, Incident, Source
from devices.models import IncidentMember as Member
from devices.rules.vocabulary import RANKS, Status
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status

NAMED: Final = 100  # devices of a message
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


@dataclass(frozen=True)
class Seen:
    """What every message about an incident at a moment says of it, whoever receives it.

    `counts`: devices by rank; `devices`: the worst NAMED ones; `between`: in which interruption of ours they
    were lost.
    """

    said: Said
    counts: Mapping[int, int]
    devices: Sequence[Member]
    forecast: Mapping[str, Any] | None
    advice: Mapping[str, list[str]]
    between: tuple[datetime, datetime] | None


def read(incidents: Collection[Incident], at: Moment) -> dict[int, Seen]:
    """What is so of these incidents, by primary key.

    As many queries for one as for many of an organization.
    """
    found = list({incident.pk: incident for incident in incidents}.values())
    if not found:
        return {}
    counts, devices = by_rank(found), _devices(found)
    said = said_of(found, at.at, counts)
    falling, between = forecast.of(found, at), lost_between(found)
    helping = _advice(found, devices, at)
    return {
        one.pk: Seen(
            said=said[one.pk],
            counts=counts[one.pk],
            devices=devices[one.pk],
            forecast=falling.get(one.pk),
            advice=helping[one.pk],
            between=between.get(one.pk),
        )
        for one in found
    }


def taken(
    incident: Incident,
    seen: Seen,
    at: Moment,
    *,
    reason: str,
    rules: Sequence[AlertRule],
    known: Known | None = None,
    acknowledged: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The snapshot of an incident for a message about it. `known`: what the target was told before."""
    return {
        "incident": str(incident.uuid),
        "reason": reason,
        "as_of": _time(at.at),
        "severity": incident.severity,
        "rules": [{"uuid": str(rule.uuid), "name": rule.name, "severity": rule.severity} for rule in rules],
        "summary": seen.said.sentence,
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
            "by_status": _by_status(seen.counts),
        },
        "forecast": dict(seen.forecast) if seen.forecast else None,
        **seen.advice,
        "devices": [_device(member) for member in seen.devices if member.device_uuid],
        "more_devices": max(0, incident.now - len(seen.devices)),
        "told_before": {"members": known.members, "at": _time(known.at)} if known else None,
        "acknowledged": dict(acknowledged) if acknowledged else None,
        "lost_between": _between(seen),
        "opened_at": _time(incident.opened_at),
        "resolved_at": _time(incident.resolved_at) if incident.resolved_at else None,
        "url": path(incident),
        "runbook": next((rule.runbook for rule in rules if rule.runbook), ""),
        "own_words": _own_words(seen.said, rules),
    }


def _own_words(said: Said, rules: Sequence[AlertRule]) -> dict[str, Any] | None:
    """The words of the worst rule that has some of its own, with what only they may name."""
    having = [rule for rule in rules if rule.subject or rule.text]
    if not having:
        return None
    rule = min(having, key=lambda rule: WORST_FIRST[rule.severity])
    return {
        "subject": rule.subject,
        "text": rule.text,
        "rule": rule.name,
        "cause": said.place.replace("{devices}", "devices"),
        "of": said.of,
    }


def _between(seen: Seen) -> dict[str, str] | None:
    return {"from": _time(seen.between[0]), "to": _time(seen.between[1])} if seen.between else None


def over(incident: Incident) -> dict[str, Any]:
    """An incident whose end is told within the first message about another one."""
    resolved_at = _time(incident.resolved_at) if incident.resolved_at else None
    return {"incident": str(incident.uuid), "resolved_at": resolved_at, "url": path(incident)}


def by_rank(incidents: Collection[Incident]) -> dict[int, dict[int, int]]:
    """How many devices are in each, by incident and the rank of what they are; of one that is over, those
    that were. One query.
    """
    inside = Member.objects.filter(THERE, incident__in=[one.pk for one in incidents]).order_by()
    counted = inside.values_list("incident", "rank").annotate(number=Count("device_id", distinct=True))
    found: dict[int, dict[int, int]] = {one.pk: {} for one in incidents}
    for incident, rank, number in counted:
        found[incident][rank] = number
    return found


def _by_status(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(RANKS[rank] or "stalled"): number for rank, number in sorted(counts.items())}


def _devices(incidents: Collection[Incident]) -> dict[int, list[Member]]:
    """The first devices of each, the worst ones before; each once, however many rules hold it."""
    mine = Member.objects.filter(THERE, incident=OuterRef("pk")).order_by("rank", "due_at", "pk")
    asked = Incident.objects.filter(pk__in=[one.pk for one in incidents]).order_by()
    worst = asked.annotate(worst=ArraySubquery(mine.values("pk")[: 3 * NAMED])).values_list("pk", "worst")
    named: dict[int, list[int]] = dict(worst)
    members = Member.objects.in_bulk([pk for some in named.values() for pk in some])
    found: dict[int, dict[int, Member]] = defaultdict(dict)
    for incident, some in named.items():
        for pk in some:
            found[incident].setdefault(members[pk].device_id, members[pk])
    return {one.pk: list(found[one.pk].values())[:NAMED] for one in incidents}


def _device(member: Member) -> dict[str, Any]:
    return {
        "uuid": member.device_uuid,
        "name": member.device_name,
        "status": member.status,
        "since": _time(member.since),
        "url": f"/devices/{member.device_uuid}/",
    }


def checks(incident: Incident, status: Status, host: str) -> tuple[advice.Check, ...]:
    """What a person checks first, where the worst device has this status.

    `host`: of the source that is in charge of that device; empty: it is of this site.
    """
    return advice.steps(status, server_silent=incident.what == grouping.SILENT, host=host)


def in_charge(incident: Incident) -> str:
    """The host of the source that the worst device of an incident is read from; empty: it is of this site."""
    worst = Member.objects.filter(THERE, incident=incident).order_by("rank", "due_at", "pk")
    source = Source.objects.filter(devices__device__in=worst.values("device_id")[:1]).first()
    return source.host if source else ""


def _advice(
    incidents: Collection[Incident], members: Mapping[int, Sequence[Member]], at: Moment
) -> dict[int, dict[str, list[str]]]:
    """What works and what to check first, of the device of each that is worst."""
    worst = {one.pk: member.device_id for one in incidents for member in members[one.pk][:1]}
    there = with_status(Device.objects.filter(pk__in=set(worst.values())), at)
    found = there.select_related("fleet", "organization", "mirrored__source")
    devices = {device.pk: device for device in found}
    return {one.pk: _helping(one, devices.get(worst.get(one.pk, 0)), at) for one in incidents}


def _helping(incident: Incident, device: DeviceWithStatus | None, at: Moment) -> dict[str, list[str]]:
    if device is None:
        return {"works_now": [], "check_first": []}
    return {
        "works_now": [ability.name for ability in advice.works_now(device, at.at) if ability.works],
        "check_first": [step.title for step in checks(incident, Status(device.status), device.read_from)],
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def lasted(incident: Incident, at: datetime) -> timedelta:
    """How long the incident has lasted, or did."""
    return (incident.resolved_at or at) - incident.opened_at
