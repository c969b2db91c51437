"""What a round learns: from signals at once, and by looking at devices now and then what no signal tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.alerts import changes, comparing, recorded, shares, unstable
from devices.alerts.lifecycle import Fact, Reason
from devices.alerts.recorded import DELETED
from devices.models import AlertRule, Condition, Signal

LOOK: Final = timedelta(seconds=30)  # between two looks at what no signal tells
TURNS: Final = 20  # looks in which each rule whose changes are signalled is compared once
BY_STATUS: Final = (Condition.STATUS, Condition.TOGETHER)
LONGEST: Final = timedelta(days=400)  # that a condition may look back


@dataclass(frozen=True)
class Span:
    """What a round looks at: what happened after `since`, up to `until`.

    `looks`: whether it also looks at what no signal tells; `whole`: and compares every rule.
    """

    since: datetime
    until: datetime
    signals: Sequence[Signal]
    looks: bool = False
    whole: bool = False


def facts(span: Span, rules: Mapping[int, AlertRule]) -> Iterator[Fact]:
    """What became true of devices, or no longer."""
    enabled = [rule for rule in rules.values() if rule.enabled]
    yield from _signalled(span, enabled)
    yield from _flapping(span, enabled)
    for rule in enabled:
        if span.looks and rule.condition == Condition.SHARE:
            yield from shares.facts(rule, span.until)
    if span.looks or any(signal.kind == Signal.Kind.RULE for signal in span.signals):
        for member in recorded.of_deleted_rules():
            yield Fact(span.until, DELETED, member.device_id, None, Reason.CHANGED)
    if compared := _compared(span, rules):
        away = recorded.away(span.until - LONGEST)
        for rule in compared:
            yield from comparing.facts(rule, span.until, away)


def _signalled(span: Span, rules: Iterable[AlertRule]) -> Iterator[Fact]:
    named = [(signal.change_id, signal.at) for signal in span.signals if signal.kind == Signal.Kind.STATUS]
    by_status = [rule for rule in rules if rule.condition in BY_STATUS]
    if by_status:
        yield from changes.facts(changes.signalled((pk, at) for pk, at in named if pk is not None), by_status)


def _flapping(span: Span, rules: Iterable[AlertRule]) -> Iterator[Fact]:
    for rule in rules:
        if rule.condition == Condition.FLAPPING:
            devices = {
                signal.device_id
                for signal in span.signals
                if signal.kind == Signal.Kind.LINK and signal.organization_id == rule.organization_id
            }
            held = set(_held(rule)) if span.looks else set[int]()
            if devices or held:
                yield from unstable.facts(rule, devices, held, span.since, span.until)


def _compared(span: Span, rules: Mapping[int, AlertRule]) -> list[AlertRule]:
    """The rules whose members are compared with devices in this round, each once."""
    changed = {signal.change_id for signal in span.signals if signal.kind == Signal.Kind.RULE}
    turn = int(span.until.timestamp() // LOOK.total_seconds()) % TURNS
    return [rule for rule in rules.values() if rule.pk in changed or _is_due(rule, span, turn)]


def _is_due(rule: AlertRule, span: Span, turn: int) -> bool:
    if rule.enabled and rule.condition in {Condition.SHARE, Condition.FLAPPING}:
        return False
    by_turn = rule.condition in BY_STATUS and rule.pk % TURNS != turn
    return span.looks and (span.whole or not by_turn)


def _held(rule: AlertRule) -> Iterable[int]:
    return comparing.held(rule).values_list("device_id", flat=True)
