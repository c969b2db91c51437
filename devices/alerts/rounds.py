"""One round of the teller: what was signalled since the last one becomes members, incidents and messages.

In one transaction, which begins by locking the teller's row: so one round runs at a time, whoever leads.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from devices import clock, connectivity
from devices.alerts import due, learning, notices, outages, recorded, telling
from devices.alerts.gathering import Gathering
from devices.alerts.learning import LOOK, Signalled, Span
from devices.alerts.lifecycle import unseen_since
from devices.alerts.replay import Replay
from devices.alerts.unstable import overlay
from devices.alerts.writing import write
from devices.clock import Moment
from devices.connectivity import deadlines
from devices.listing.incidents import fleet_sizes
from devices.models import Incident, IncidentMember, Signal, Teller
from fleets.postgres.expressions import among

AWAY: Final = timedelta(seconds=60)  # what a round decides of a longer time was missed: alerting was away
# Signals of one round, and members that the clock changes: each takes some kilobytes. After an absence of the
# teller there may be more, since what it missed is told by one round.
MOST: Final = 20_000
MOST_MISSED: Final = 100_000
PARTS: Final = 50  # rounds one after the other, at most, where there is more


def run_round(at: datetime | Moment | None = None, *, whole: bool = False) -> datetime | None:
    """Record what happened up to `at`, and write what is to be told of it.

    It first settles, so that what is recorded is what was until then. Where then nothing is due, and the last
    round is not long ago, it does nothing more. `whole`: it compares the members of all rules with devices,
    as a new leader does. Returns when there is something to do again; None: nothing is known.
    """
    known = clock.moment(at)
    if deadlines.backlog(known).behind is not None:
        connectivity.settle(known)
    following = due.read()
    if outages.untold(known, following.outage_at):
        outages.tell_later(known)
    if not whole and following.nothing(known, AWAY):
        if not following.nothing(known, due.ROUND_EVERY):
            due.conclude(known)
        return following.at
    for _ in range(PARTS):
        if _round(known, whole=whole):
            break
        whole = False
    return due.read().at


@transaction.atomic
def _round(known: Moment, *, whole: bool) -> bool:
    """One transaction; returns whether it has decided up to then. Else there is too much for one."""
    teller, _ = Teller.objects.select_for_update().get_or_create(pk=1)
    missed = known.concluded - (teller.concluded_at or known.concluded) > AWAY
    span = _span(teller, known.concluded, MOST_MISSED if missed else MOST, whole=whole)
    changed = _play(span, missed=missed)
    teller.concluded_at, teller.ended_at = span.until, known.at
    teller.compared_at = span.until if span.looks else teller.compared_at
    teller.save()
    Signal.objects.filter(among("pk", [signal.pk for signal in span.signals])).delete()
    telling.tell(changed, known)
    notices.tell_missed([incident for incident in changed if incident.missed], span.since, known)
    if changed:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('told', '')")
    return span.until >= known.concluded


def _span(teller: Teller, until: datetime, most: int, *, whole: bool) -> Span:
    """Up to `until`, or to the instant up to which there are `most` signals, or clocks of members.

    The first round ever begins with how devices are: what was signalled before says nothing more.
    """
    since, first = teller.concluded_at or until, teller.concluded_at is None
    clocks = IncidentMember.objects.filter(next_at__lte=until).order_by("next_at")
    for member in clocks.only("next_at")[most : most + 1]:
        until = max(since, member.next_at or since)
    rows = Signal.objects.filter(at__lte=until).order_by("at", "pk").values_list(*Signalled.__struct_fields__)
    found = [Signalled(*row) for row in rows[:most]]
    if len(found) == most:  # up to a whole instant
        until = found[-1].at
        found += [Signalled(*row) for row in rows.filter(at=until, pk__gt=found[-1].pk)]
    looks = teller.compared_at is None or abs(until - teller.compared_at) >= LOOK
    return Span(since, until, found, looks=looks or whole or first, whole=whole or first)


def _play(span: Span, *, missed: bool) -> list[Incident]:
    """The incidents that changed, as they are now recorded."""
    rules = recorded.rules()
    marks = learning.marks(span, rules)
    facts = list(learning.facts(span, rules, marks))
    devices = {*(fact.device for fact in facts), *marks}
    members = recorded.members(devices, span.until)
    known = recorded.Known(span.until)
    there = Gathering(rules, known.waiting, fleet_sizes, known.pending)
    organizations = {member.organization_id for member in members}
    organizations |= {rules[fact.rule].organization_id for fact in facts if fact.rule}
    known.read(organizations, devices | {member.device_id for member in members})
    if not (facts or marks or members or known.cases):
        return []
    known.tell(there, members)
    moments = [member.since for member in members] + [fact.at for fact in facts]
    since = min(moments, default=span.until)
    away = recorded.away(since, span.until, devices, unseen_since(facts))
    replay = Replay(there, away, recorded.members_of)
    clocks = [member for member in members if member.next_at and member.next_at <= span.until]
    marked = list(overlay(marks, span.since))
    replay.play(facts, clocks, list(known.cases.values()), span.until, marked)
    return write(replay, missed=missed)
