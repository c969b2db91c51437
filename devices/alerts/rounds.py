"""One round of the teller: what was signalled since the last one becomes members, incidents and messages.

In one transaction, which begins by locking the teller's row: so one round runs at a time, whoever leads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from devices import clock, connectivity
from devices.alerts import changes, recorded
from devices.alerts.gathering import Gathering
from devices.alerts.lifecycle import Fact
from devices.alerts.replay import Replay
from devices.alerts.writing import write
from devices.clock import Moment
from devices.connectivity import deadlines
from devices.listing.incidents import fleet_sizes
from devices.models import AlertRule, Condition, Incident, Signal, Teller

AWAY: Final = timedelta(seconds=60)  # without a round for longer, alerting was away
SIGNALS: Final = 100_000  # of one round
BY_STATUS: Final = (Condition.STATUS, Condition.TOGETHER)


@dataclass(frozen=True)
class Span:
    """What a round looks at: what happened up to `until`; `missed`: alerting was away until then."""

    until: datetime
    missed: bool
    signals: Sequence[Signal]


def run_round(at: datetime | Moment | None = None) -> datetime | None:
    """Record what happened up to `at`, and write what is to be told of it.

    It first settles, so that what is recorded is what was until then. Returns when the clock alone next
    changes anything; None: never, as far as is known.
    """
    known = clock.moment(at)
    if deadlines.backlog(known).behind is not None:
        connectivity.settle(known)
    with transaction.atomic():
        Teller.objects.get_or_create(pk=1)
        teller = Teller.objects.select_for_update().get(pk=1)
        span = _span(teller, known)
        changed = _play(span)
        teller.concluded_at, teller.ended_at = span.until, known.at
        teller.save()
        Signal.objects.filter(pk__in=[signal.pk for signal in span.signals]).delete()
        if changed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('told', '')")
        return recorded.next_at()


def _span(teller: Teller, known: Moment) -> Span:
    until = known.concluded
    found = list(Signal.objects.filter(at__lte=until).order_by("at", "pk")[:SIGNALS])
    if len(found) == SIGNALS:
        until = found[-1].at
    missed = teller.ended_at is not None and known.at - teller.ended_at > AWAY
    return Span(until, missed, found)


def _play(span: Span) -> list[Incident]:
    """The incidents that changed, as they are now recorded."""
    rules = recorded.rules()
    facts = list(_facts(span.signals, rules))
    devices = {fact.device for fact in facts}
    members = recorded.members(devices, span.until)
    rules |= {member.rule_id: member.rule for member in members if member.rule_id and member.rule}
    known = recorded.Known()
    there = Gathering(rules, known.waiting, fleet_sizes)
    organizations = {member.organization_id for member in members}
    organizations |= {rules[fact.rule].organization_id for fact in facts}
    known.read(organizations, devices | {member.device_id for member in members}, span.until)
    known.tell(there, members)
    moments = [member.since for member in members] + [fact.at for fact in facts]
    replay = Replay(there, recorded.away(min(moments, default=span.until)), recorded.members_of)
    clocks = [member for member in members if member.next_at and member.next_at <= span.until]
    replay.play(facts, clocks, list(known.cases.values()), span.until)
    return write(replay, missed=span.missed)


def _facts(signals: Sequence[Signal], rules: Mapping[int, AlertRule]) -> Iterator[Fact]:
    named = [(s.change_id, s.at) for s in signals if s.kind == Signal.Kind.STATUS and s.change_id is not None]
    by_status = [rule for rule in rules.values() if rule.condition in BY_STATUS]
    yield from changes.facts(changes.signalled(named), by_status)
