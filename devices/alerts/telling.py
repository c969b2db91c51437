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

from devices.alerts import acknowledging, digests, handing, holds, notices, snapshot, told
from devices.alerts.decision import Known, decide
from devices.alerts.digests import Daily
from devices.alerts.holds import UNKNOWN, Hold, Holds
from devices.alerts.own_steps import TellingStep
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
    kept = holds.held_back(incidents)
    round_ = _Round(at, holds.read(incidents, targets.values(), at), known, numbers, kept)
    for case in cases:
        mine = [step for step in steps if step.rule_id in {rule.pk for rule in case.rules}]
        mine += by_view.get(case.incident.pk, [])
        for target in targets_of_case(case, mine, targets, known, kept, at):
            round_.look(case, target, mine)
    round_.write()
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
    daily: Daily | None  # in which digest; None: by itself

    @property
    def pair(self) -> Pair:
        return self.case.incident.pk, self.target.pk


@dataclass
class _Round:
    """The messages and holds of one round."""

    at: Moment
    holds: Holds
    known: Mapping[Pair, Known]
    numbers: dict[Pair, int]
    kept: Mapping[Pair, Held]  # what was held until now
    to_tell: list[_ToTell] = field(default_factory=list)
    held: dict[Pair, tuple[Case, AlertTarget, Hold]] = field(default_factory=dict)
    silent: set[Pair] = field(default_factory=set)  # nothing holds them, or nothing is to be told

    def look(self, case: Case, target: AlertTarget, steps: Sequence[TellingStep]) -> None:
        """Decide about one incident and one target, which some of these steps may name."""
        pair, rules = (case.incident.pk, target.pk), case.naming(target, steps)
        known, kept = self.known.get(pair), self.kept.get(pair)
        daily, now = case.daily(target, steps, known, self.at.at), now_of(case, rules)
        decision = decide(known, now, self.at.at)
        if daily:
            decision = digests.decided(decision, known, now, kept)
        if decision.again_at:
            case.again_at.append(decision.again_at)
        if decision.kind is None:
            if not (known is None and case.over):  # else it stays marked with what held it
                self.silent.add(pair)
            return
        one = _ToTell(case, target, rules, decision.kind, decision.reason, daily)
        if hold := self._hold(one, kept):
            self._keep(one, hold)
        else:
            self._tell(one)

    def _tell(self, one: _ToTell) -> None:
        self.to_tell.append(one)
        if one.daily and not one.case.over:  # the next digest says how it is then
            self._keep(one, digests.next_digest(self.holds, one.target, one.daily))
            return
        self.silent.add(one.pair)
        if one.kind == Kind.FIRST and not one.daily:
            self.holds.firsts[one.target.pk].append(self.at.at)

    def _keep(self, one: _ToTell, hold: Hold) -> None:
        self.held[one.pair] = (one.case, one.target, hold)
        one.case.again_at.append(hold.until or self.at.at + UNKNOWN)

    def _hold(self, one: _ToTell, kept: Held | None) -> Hold | None:
        incident = one.case.incident
        if one.daily:
            lasting = None if one.case.over else self.holds.of_devices(incident, one.target, one.rules)
            return lasting or digests.until_digest(self.holds, one.target, one.daily, kept)
        hold = self.holds.of(incident, one.target, one.rules)
        if hold is None and one.kind == Kind.FIRST:
            hold = _after_maintenance(one.case, kept, one.rules, self.at.at) or self.holds.storm(one.target)
        return hold

    def write(self) -> None:
        """Write them, and hand the messages over."""
        folds = _folds(self.to_tell)
        alone = [one for one in self.to_tell if one not in folds]
        seen = snapshot.read([one.case.incident for one in alone], self.at)
        messages = [self._message(one, seen[one.case.incident.pk], folds) for one in alone]
        AlertMessage.objects.bulk_create(messages)
        told.resolve([(one.case.incident, one.target) for one in folds], self.at.at)
        gone = [held.pk for pair, held in self.kept.items() if self._is_gone(pair, held)]
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

    def _is_gone(self, pair: Pair, held: Held) -> bool:
        """Whether nothing holds it any more; so if nobody follows it once a day now."""
        return pair in self.silent or (digests.waits(held) and pair not in self.held)

    def _message(self, one: _ToTell, seen: Seen, folds: Mapping[_ToTell, _ToTell]) -> AlertMessage:
        case, incident = one.case, one.case.incident
        self.numbers[one.pair] = number = self.numbers.get(one.pair, 0) + 1
        taken = snapshot.taken(
            incident,
            seen,
            self.at,
            reason=one.reason,
            rules=one.rules or case.rules,
            known=self.known.get(one.pair),
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
            digest=one.daily is not None,
        )


def _folds(to_tell: Sequence[_ToTell]) -> dict[_ToTell, _ToTell]:
    """The ends of incidents that are told within the first message about another one of their devices.

    Not to a target that keeps its own list of incidents: it must be told the end of each. So is a digest.
    """
    over = [one for one in to_tell if one.kind == Kind.RESOLVED and not one.daily]
    ends = [one for one in over if one.target.kind not in OWN_LISTS]
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
