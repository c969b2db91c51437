"""What a round learns: from signals at once, and by looking at devices now and then what no signal tells."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Final

from msgspec import Struct

from devices.alerts import changes, comparing, recorded, shares, unstable
from devices.alerts.levels import covered
from devices.alerts.lifecycle import Fact, Reason, State
from devices.alerts.recorded import DELETED
from devices.alerts.unstable import Marks
from devices.history.flapping import marks_of
from devices.models import AlertRule, Condition, IncidentMember, Signal
from fleets.postgres.expressions import among

logger = logging.getLogger(__name__)

LOOK: Final = timedelta(seconds=30)  # between two looks at what no signal tells
TURNS: Final = 20  # looks in which each rule whose changes are signalled is compared once
BY_STATUS: Final = (Condition.STATUS, Condition.TOGETHER)
LONGEST: Final = timedelta(days=400)  # that a condition may look back


class Signalled(Struct, frozen=True, gc=False):
    """A row of Signal. A round reads very many, and Django takes longer to make objects of them."""

    pk: int
    kind: str
    device_id: int
    change_id: int | None
    at: datetime


@dataclass(frozen=True)
class Span:
    """What a round looks at: what happened after `since`, up to `until`.

    `looks`: whether it also looks at what no signal tells; `whole`: and compares every rule.
    """

    since: datetime
    until: datetime
    signals: Sequence[Signalled]
    looks: bool = False
    whole: bool = False


def marks(span: Span, rules: Mapping[int, AlertRule]) -> Marks:
    """When links were marked as changing often.

    Of devices whose links changed, of marked members and, where it looks, of members of rules about that; of
    these members also that they were not, as where the teller was away for longer than is looked back.
    """
    devices = {signal.device_id for signal in span.signals if signal.kind == Signal.Kind.LINK}
    there = IncidentMember.objects.exclude(state=State.GONE)
    members = set(there.filter(unstable=True).values_list("device_id", flat=True))
    about = [rule.pk for rule in rules.values() if span.looks and rule.condition == Condition.FLAPPING]
    if about:
        members |= set(there.filter(rule__in=about).values_list("device_id", flat=True))
    devices |= members
    calm: Marks = dict.fromkeys(members, ())
    return {**calm, **marks_of(list(devices), span.until)} if devices else calm


def facts(span: Span, rules: Mapping[int, AlertRule], marked: Marks) -> Iterator[Fact]:
    """What became true of devices, or no longer. `marked`: what `marks` has found."""
    enabled = [rule for rule in rules.values() if rule.enabled]
    yield from _signalled(span, enabled)
    yield from _flapping(span, enabled, marked)
    for rule in enabled:
        if span.looks and rule.condition == Condition.SHARE:
            yield from shares.facts(rule, span.until)
    if span.looks or any(signal.kind == Signal.Kind.RULE for signal in span.signals):
        for member in recorded.of_deleted_rules():
            yield Fact(span.until, DELETED, member.device_id, None, Reason.CHANGED)
    if compared := _compared(span, rules):
        away = cache(partial(recorded.away, span.until - LONGEST, span.until))
        for rule in compared:
            found = list(comparing.facts(rule, span.until, away))
            if found and rule.condition in BY_STATUS:
                found = _until(span, found)
                _log(rule, found, span)
            yield from found


def _until(span: Span, found: Sequence[Fact]) -> list[Fact]:
    """Without those of devices that have changed since: they were compared as they are now."""
    changed = Signal.objects.filter(at__gt=span.until, kind=Signal.Kind.STATUS)
    mine = changed.filter(among("device_id", {fact.device for fact in found}))
    since = set(mine.values_list("device_id", flat=True))
    return [fact for fact in found if fact.device not in since]


def _log(rule: AlertRule, found: Sequence[Fact], span: Span) -> None:
    """Say that members differed from devices though their changes are signalled, so a signal was lost."""
    if rule.pk not in _changed(span) and not span.whole:
        known = {signal.device_id for signal in span.signals}
        lost = sum(fact.device not in known for fact in found)
        if lost:
            logger.warning("rule %s of %s: %d devices differed", rule, rule.organization_id, lost)


def _signalled(span: Span, rules: Iterable[AlertRule]) -> Iterator[Fact]:
    named = [(signal.change_id, signal.at) for signal in span.signals if signal.kind == Signal.Kind.STATUS]
    by_status = [rule for rule in rules if rule.condition in BY_STATUS]
    if named and by_status:
        found = changes.signalled((pk, at) for pk, at in named if pk is not None)
        yield from changes.facts(found, by_status, recorded.held({change.device for change in found}))


def _flapping(span: Span, rules: Iterable[AlertRule], marked: Marks) -> Iterator[Fact]:
    """Of a rule that is new or was changed, and of all for a new leader: whatever is marked already."""
    for rule in rules:
        if rule.condition == Condition.FLAPPING:
            found = dict(marked)
            if span.whole or rule.pk in _changed(span):
                found |= marks_of(list(covered(rule).values_list("pk", flat=True)), span.until)
            held = set(_held(rule)) if span.looks else set[int]()
            if found or held:
                yield from unstable.facts(rule, found, held, span.since, span.until)


def _changed(span: Span) -> set[int | None]:
    """The rules, by primary key, that are new or were changed."""
    return {signal.change_id for signal in span.signals if signal.kind == Signal.Kind.RULE}


def _compared(span: Span, rules: Mapping[int, AlertRule]) -> list[AlertRule]:
    """The rules whose members are compared with devices in this round, each once."""
    changed = _changed(span)
    turn = int(span.until.timestamp() // LOOK.total_seconds()) % TURNS
    return [rule for rule in rules.values() if rule.pk in changed or _is_due(rule, span, turn)]


def _is_due(rule: AlertRule, span: Span, turn: int) -> bool:
    if rule.enabled and rule.condition in {Condition.SHARE, Condition.FLAPPING}:
        return False
    by_turn = rule.condition in BY_STATUS and rule.pk % TURNS != turn
    return span.looks and (span.whole or not by_turn)


def _held(rule: AlertRule) -> Iterable[int]:
    return comparing.held(rule).values_list("device_id", flat=True)
