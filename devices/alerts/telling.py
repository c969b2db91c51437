"""Who is told what of incidents: messages and holds are written in the transaction of the round.

What follows from what a target knows and what is so now: devices/alerts/decision.py. What keeps it from being
told: devices/alerts/holds.py. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from django.db.models import Q

from devices.alerts import acknowledging, handing, holds, notices, snapshot, told
from devices.alerts.decision import Known, decide
from devices.alerts.holds import Hold, Holds
from devices.alerts.snapshot import Seen
from devices.alerts.telling_cases import (
    Case,
    Pair,
    acknowledged,
    cases_of,
    end_acknowledgement,
    known_of,
    now_of,
    steps_of,
    targets_of,
    targets_of_case,
)
from devices.alerts.view_steps import view_steps
from devices.clock import Moment
from devices.models import AlertMessage, AlertRule, AlertTarget, Held, Incident

Kind = AlertMessage.Kind
OWN_LISTS: Final = (AlertTarget.Kind.PAGERDUTY, AlertTarget.Kind.ALERTMANAGER)
UNKNOWN: Final = timedelta(seconds=10)  # until another look where nobody knows how long a hold lasts


def tell(incidents: Iterable[Incident], at: Moment) -> None:
    """Write what targets should know of these incidents, and of those that are due to be looked at again.

    In the transaction of a round.
    """
    due = Incident.objects.filter(Q(pk__in=[one.pk for one in incidents]) | Q(look_at__lte=at.at))
    found = list(due.select_related("organization").select_for_update(of=("self",)).order_by("pk"))
    if found:
        _tell(found, at)


def _tell(incidents: Sequence[Incident], at: Moment) -> None:
    cases = cases_of(incidents)
    for case in cases:
        end_acknowledgement(case, at)
    ended = [case.incident for case in cases if case.ended]
    Incident.objects.bulk_update(ended, acknowledging.OVERLAY)
    steps = steps_of(cases, at.at)
    known, numbers = known_of(incidents)
    by_view = view_steps(cases, at)
    targets = targets_of([*steps, *chain(*by_view.values())], known)
    round_ = _Round(at, holds.read(incidents, targets.values(), at), known, numbers)
    kept = holds.held_back(incidents)
    for case in cases:
        mine = [step for step in steps if step.rule_id in {rule.pk for rule in case.rules}]
        mine += by_view.get(case.incident.pk, [])
        for target in targets_of_case(case, mine, targets, known, at):
            round_.look(case, target, case.naming(target, mine), kept)
    round_.write(kept)
    for case in cases:
        case.incident.look_at = min((moment for moment in case.again_at if moment > at.at), default=None)
    Incident.objects.bulk_update(incidents, ["look_at"])


@dataclass(frozen=True, eq=False)
class _ToTell:
    """A message that is to be written."""

    case: Case
    target: AlertTarget
    rules: Sequence[AlertRule]
    kind: Kind
    reason: str


@dataclass
class _Round:
    """The messages and holds of one round."""

    at: Moment
    holds: Holds
    known: Mapping[Pair, Known]
    numbers: dict[Pair, int]
    to_tell: list[_ToTell] = field(default_factory=list)
    held: dict[Pair, tuple[Case, AlertTarget, Hold]] = field(default_factory=dict)
    silent: set[Pair] = field(default_factory=set)  # nothing holds them, or nothing is to be told

    def look(
        self,
        case: Case,
        target: AlertTarget,
        rules: Sequence[AlertRule],
        kept: Mapping[Pair, Held],
    ) -> None:
        """Decide about one incident and one target."""
        pair = (case.incident.pk, target.pk)
        known = self.known.get(pair)
        decision = decide(known, now_of(case, rules), self.at.at)
        if decision.again_at:
            case.again_at.append(decision.again_at)
        if decision.kind is None:
            if not (known is None and case.over):  # else it stays marked with what held it
                self.silent.add(pair)
            return
        hold = self._hold(case, target, rules, decision.kind, kept.get(pair))
        if hold:
            self.held[pair] = (case, target, hold)
            case.again_at.append(hold.until or self.at.at + UNKNOWN)
            return
        self.silent.add(pair)
        self.to_tell.append(_ToTell(case, target, rules, decision.kind, decision.reason))
        if decision.kind == Kind.FIRST:
            self.holds.firsts[target.pk].append(self.at.at)

    def _hold(
        self, case: Case, target: AlertTarget, rules: Sequence[AlertRule], kind: Kind, kept: Held | None
    ) -> Hold | None:
        hold = self.holds.of(case.incident, target, rules)
        if hold is None and kind == Kind.FIRST:
            hold = _after_maintenance(case, kept, rules, self.at.at) or self.holds.storm(target)
        return hold

    def write(self, kept: Mapping[Pair, Held]) -> None:
        """Write them, and hand the messages over."""
        folds = _folds(self.to_tell)
        alone = [one for one in self.to_tell if one not in folds]
        seen = snapshot.read([one.case.incident for one in alone], self.at)
        messages = [self._message(one, seen[one.case.incident.pk], folds) for one in alone]
        AlertMessage.objects.bulk_create(messages)
        told.resolve([(one.case.incident, one.target) for one in folds], self.at.at)
        gone = [held.pk for pair, held in kept.items() if pair in self.silent]
        Held.objects.filter(pk__in=gone).delete()
        Held.objects.bulk_create(
            [_held(case, target, hold, self.at.at) for case, target, hold in self.held.values()],
            update_conflicts=True,
            unique_fields=["incident", "target"],
            update_fields=["reason", "words", "until"],
        )
        of_storm = notices.of_storm(
            {target for _, target, hold in self.held.values() if hold.reason == Held.Reason.STORM}, self.at
        )
        handing.hand_over([*messages, *of_storm], self.at.at)

    def _message(self, one: _ToTell, seen: Seen, folds: Mapping[_ToTell, _ToTell]) -> AlertMessage:
        case, incident = one.case, one.case.incident
        pair = (incident.pk, one.target.pk)
        self.numbers[pair] = number = self.numbers.get(pair, 0) + 1
        taken = snapshot.taken(
            incident,
            seen,
            self.at,
            reason=one.reason,
            rules=one.rules or case.rules,
            known=self.known.get(pair),
            acknowledged=case.ended or acknowledged(incident),
        )
        over = [snapshot.over(other.case.incident) for other, first in folds.items() if first is one]
        return AlertMessage(
            organization=incident.organization,
            incident=incident,
            target=one.target,
            number=number,
            kind=one.kind,
            snapshot=taken | {"number": number, "rank": incident.rank, "over": over},
            as_of=self.at.at,
            created_at=self.at.at,
            next_at=self.at.at,
        )


def _folds(to_tell: Sequence[_ToTell]) -> dict[_ToTell, _ToTell]:
    """The ends of incidents that are told within the first message about another one of their devices.

    Not to a target that keeps its own list of incidents: it must be told the end of each.
    """
    ends = [one for one in to_tell if one.kind == Kind.RESOLVED and one.target.kind not in OWN_LISTS]
    firsts = [one for one in to_tell if one.kind == Kind.FIRST]
    pairs = [(end, first) for end in ends for first in firsts if end.target.pk == first.target.pk]
    if not pairs:
        return {}
    devices = holds.devices_of([one.case.incident for pair in pairs for one in pair])
    return {
        end: first
        for end, first in pairs
        if devices.get(end.case.incident.pk, set()) & devices.get(first.case.incident.pk, set())
    }


def _held(case: Case, target: AlertTarget, hold: Hold, at: datetime) -> Held:
    return Held(
        incident=case.incident,
        target=target,
        reason=hold.reason,
        words=hold.words[:255],
        since=at,
        until=hold.until,
    )


def _after_maintenance(
    case: Case, kept: Held | None, rules: Sequence[AlertRule], at: datetime
) -> Hold | None:
    """Whoever was told nothing in maintenance is told only a whole delay after it ended."""
    if kept is None or kept.reason != Held.Reason.MAINTENANCE or kept.until is None:
        return None
    ended = min(kept.until, at)
    told_from = ended + timedelta(seconds=max((rule.delay for rule in rules), default=0))
    if at >= told_from:
        return None
    case.again_at.append(told_from)
    return Hold(Held.Reason.MAINTENANCE, ended, kept.words)
