"""Incidents with what decides whom to tell of them: their rules, steps, targets, and what these know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Max

from devices.alerts import acknowledging, digests, holds, told
from devices.alerts.decision import Known, Now, grown
from devices.alerts.digests import Daily
from devices.alerts.own_steps import TellingStep, own_steps
from devices.clock import Moment
from devices.models import AlertMessage, AlertRule, AlertStep, AlertTarget, Held, Incident, Told
from devices.models import IncidentMember as Member

FAILED: Final = (AlertMessage.Outcome.REFUSED, AlertMessage.Outcome.DEAD)
Pair = tuple[int, int]  # of an incident and a target, by primary key


@dataclass
class Case:
    """An incident with the rules that hold a device in it now, or did."""

    incident: Incident
    rules: list[AlertRule]
    # What the acknowledgement was that has just come to its end.
    ended: Mapping[str, Any] | None = None
    again_at: list[datetime] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.incident.state == Incident.State.RESOLVED

    def naming(self, target: AlertTarget, steps: Collection[TellingStep]) -> list[AlertRule]:
        """The rules of which a step tells this target."""
        named = {step.rule_id for step in steps if step.target == target}
        return [rule for rule in self.rules if rule.pk in named]

    def daily(
        self, target: AlertTarget, steps: Collection[TellingStep], known: Known | None, at: datetime
    ) -> Daily | None:
        """In which digest a target is told of it; None: as it happens, and what was told so is to its end."""
        mine = [step for step in steps if step.target == target and self.comes_at(step) <= self.until(at)]
        if (known is not None and not known.digest) or any(step.daily is None for step in mine):
            return None
        return min((step.daily for step in mine if step.daily), key=lambda one: one.hour, default=None)

    def comes_at(self, step: TellingStep) -> datetime:
        """When a step tells of it."""
        return self.incident.opened_at + timedelta(seconds=step.after)

    def until(self, at: datetime) -> datetime:
        """When it ended, or the present moment `at`."""
        return self.incident.resolved_at or at


def cases_of(incidents: Sequence[Incident]) -> list[Case]:
    inside: dict[int, set[int]] = defaultdict(set)
    ever: dict[int, set[int]] = defaultdict(set)
    members = Member.objects.filter(incident__in=incidents, rule__isnull=False).order_by()
    for incident, rule, state in members.values_list("incident", "rule", "state").distinct():
        ever[incident].add(rule)
        if state in holds.INSIDE:
            inside[incident].add(rule)
    rules = AlertRule.objects.in_bulk({rule for some in ever.values() for rule in some})
    return [
        Case(one, [rules[pk] for pk in sorted(inside[one.pk] or ever[one.pk]) if pk in rules])
        for one in incidents
    ]


def end_acknowledgement(case: Case, at: Moment) -> None:
    """What was taken on is open again once it has grown, has become worse, or its time is over.

    The caller saves OVERLAY of those that have `ended`.
    """
    incident = case.incident
    if incident.acknowledged_at is None or case.over:
        return
    until = incident.acknowledged_until
    worse = incident.rank < incident.acknowledged_rank
    if worse or grown(incident.acknowledged_members, incident.now) or (until and until <= at.at):
        case.ended = {
            "by": incident.acknowledged_by_name,
            "at": incident.acknowledged_at.isoformat(timespec="seconds"),
            "members": incident.acknowledged_members,
        }
        acknowledging.clear(incident)
    elif until:
        case.again_at.append(until)


def steps_of(cases: Sequence[Case], at: datetime) -> list[TellingStep]:
    """The steps of their rules, and those by which people are told alone."""
    rules = {rule.pk: rule for case in cases for rule in case.rules}
    saved = list(AlertStep.objects.filter(rule__in=rules).select_related("target"))
    steps = [TellingStep(step.rule_id, step.target, step.after) for step in saved]
    return [*steps, *own_steps(list(rules.values()), saved, at)] if rules else []


def known_of(incidents: Sequence[Incident]) -> tuple[dict[Pair, Known], dict[Pair, int]]:
    """What the last message to each target said, and the number of the last one."""
    known: dict[Pair, Known] = {}
    messages = AlertMessage.objects.filter(incident__in=incidents)
    numbers = {
        (incident, target): number
        for incident, target, number in messages.order_by()
        .values_list("incident", "target")
        .annotate(number=Max("number"))
    }
    accepted = {
        (one.incident_id, one.target_id): Told.State(one.state)
        for one in Told.objects.filter(incident__in=incidents)
    }
    last = messages.order_by("incident_id", "target_id", "-number").distinct("incident_id", "target_id")
    for message in last.only("incident", "target", "kind", "snapshot", "created_at", "outcome", "digest"):
        pair = (message.incident_id or 0, message.target_id)
        members = message.snapshot["members"]["now"]
        known[pair] = Known(
            state=_state(message, accepted.get(pair)),
            members=members,
            rank=message.snapshot["rank"],
            at=message.created_at,
            delivered=message.outcome not in FAILED or pair in accepted,
            digest=message.digest,
        )
    return _of_the_whole(incidents, known) | known, numbers


def _of_the_whole(incidents: Sequence[Incident], known: Mapping[Pair, Known]) -> dict[Pair, Known]:
    """What targets know of incidents of one device that was left of a larger one, which they were told of."""
    parted = {one.pk: one for one in incidents if one.parted_from_id}
    told = AlertMessage.objects.filter(incident__in={one.parted_from_id for one in parted.values()})
    last: dict[Pair, AlertMessage] = {
        (message.incident_id or 0, message.target_id): message
        for message in told.order_by("number").only("incident", "target", "snapshot", "created_at", "digest")
    }
    return {
        (pk, target): Known(
            Told.State.FIRING, 1, message.snapshot["rank"], message.created_at, digest=message.digest
        )
        for pk, one in parted.items()
        for (whole, target), message in last.items()
        if whole == one.parted_from_id
    }


def _state(message: AlertMessage, accepted: Told.State | None) -> Told.State:
    """What the target knows or is about to; that an incident is over may stand in a message about another."""
    return accepted if accepted == Told.State.RESOLVED else told.state_of(message)


def targets_of(steps: Sequence[TellingStep], known: Mapping[Pair, Known]) -> dict[int, AlertTarget]:
    """Those that steps name, and those that were told."""
    named = {step.target.pk: step.target for step in steps}
    others = {target for _, target in known} - named.keys()
    return named | AlertTarget.objects.in_bulk(others)


def targets_of_case(
    case: Case,
    steps: Sequence[TellingStep],
    targets: Mapping[int, AlertTarget],
    known: Mapping[Pair, Known],
    kept: Mapping[Pair, Held],
    at: Moment,
) -> list[AlertTarget]:
    """Whom to look at: those that know of the incident, those whose step has come, and, once it is over,
    those whose digest will tell of it.
    """
    incident = case.incident
    found = {target for one, target in known if one == incident.pk}
    if case.over:
        waiting = {pair for pair, held in kept.items() if digests.waits(held)}
        found |= {target for one, target in waiting if one == incident.pk}
    for step in steps:
        comes_at = case.comes_at(step)
        skipped = case.over or (step.after and incident.acknowledged_at is not None)
        if comes_at <= at.at and not skipped:
            found.add(step.target.pk)
        elif not skipped:
            case.again_at.append(comes_at)
    return [targets[pk] for pk in sorted(found) if pk in targets]


def now_of(case: Case, rules: Sequence[AlertRule]) -> Now:
    incident = case.incident
    repeats = [rule.repeat for rule in rules if rule.repeat]
    return Now(
        over=case.over,
        members=incident.now,
        rank=incident.rank,
        acknowledged=incident.acknowledged_at is not None,
        tell_at=incident.tell_at,
        tells_recovery=any(rule.tell_recovery for rule in rules or case.rules) or not case.rules,
        repeat=timedelta(seconds=min(repeats)) if repeats else None,
    )


def acknowledged(incident: Incident) -> dict[str, Any] | None:
    if incident.acknowledged_at is None:
        return None
    return {
        "by": incident.acknowledged_by_name,
        "at": incident.acknowledged_at.isoformat(timespec="seconds"),
        "members": incident.acknowledged_members,
    }
