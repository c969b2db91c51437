"""What happened since the last round, instant after instant: so a late round decides what an early one does.

Knows no database: rounds give it what is recorded and write what it found; a rehearsal plays the past.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import count
from typing import Any

from devices.alerts.cases import Case
from devices.alerts.gathering import Gathering, key_of
from devices.alerts.lifecycle import (
    WAIT,
    Away,
    Fact,
    Mark,
    Reason,
    State,
    begun,
    describe,
    due_of,
    ends,
    held_until,
    is_together,
)
from devices.listing.grouping import Lost
from devices.models import AlertRule, Incident, IncidentMember

CLOCK, MARK, FACT, INCIDENT = range(4)  # the order within an instant
Members = Callable[[Incident], Iterable[IncidentMember]]


class Replay:
    """Plays facts and clocks in order of time. What changed stands in `members`, `incidents`, `forgotten`."""

    def __init__(self, there: Gathering, away: Away, members_of: Members) -> None:
        self._there, self._away, self._members_of = there, away, members_of
        self.members: dict[int, IncidentMember] = {}  # changed ones, by identity
        self.incidents: dict[int, Incident] = {}
        self.forgotten: list[IncidentMember] = []  # that were never due
        self.came_back = Counter[int]()  # by rule: devices that recovered before they were due
        self._unstable: set[int] = set()  # devices a link of which changes often
        self._queue: list[tuple[datetime, int, int, int, int, Any]] = []
        self._numbers = count()

    def play(
        self,
        facts: Iterable[Fact],
        clocks: Iterable[IncidentMember],
        cases: Iterable[Case],
        until: datetime,
        marks: Iterable[Mark] = (),
    ) -> None:
        """All that was so up to `until`, and then. `clocks`: members whose `next_at` is no later."""
        for fact in facts:
            self._push(fact.at, FACT, fact.rule, fact.device, fact)
        for mark in marks:
            self._push(mark.at, MARK, 0, mark.device, mark)
        for member in clocks:
            self._ask_again(member)
        for case in cases:
            self._watch(case)
        while self._queue and self._queue[0][0] <= until:
            self._instant(self._queue[0][0])

    def let_go(self) -> list[IncidentMember]:
        """The members that are gone, which it holds no longer: where these are many, and are not written."""
        gone = [member for member in self.members.values() if member.state == State.GONE]
        for member in gone:
            del self.members[id(member)]
        self.forgotten.clear()
        return gone

    def _push(self, at: datetime, phase: int, rule: int, device: int, what: Any) -> None:
        heapq.heappush(self._queue, (at, phase, device, rule, next(self._numbers), what))

    def _ask_again(self, member: IncidentMember) -> None:
        if member.next_at:
            self._push(member.next_at, CLOCK, member.rule_id or 0, member.device_id, member)

    def _watch(self, case: Case) -> None:
        if case.next_at:
            self._push(case.next_at, INCIDENT, 0, 0, case)

    def _rule(self, member: IncidentMember) -> AlertRule:
        return self._there.rules[member.rule_id or 0]

    def _instant(self, at: datetime) -> None:
        """One instant: clocks and facts of devices first, then where they belong, then their incidents."""
        due: dict[int, IncidentMember] = {}
        while self._queue and self._queue[0][:2] < (at, INCIDENT):
            _, phase, *_, what = heapq.heappop(self._queue)
            if phase == FACT:
                self._fact(what)
            elif phase == MARK:
                self._mark(what)
            elif member := self._clock(what, at):
                due[id(member)] = member
        there = [m for m in due.values() if m.state != State.GONE and self._there.held(*key_of(m)) is m]
        for member in self._there.place(there, at):
            if member.state == State.PENDING:  # of a rule that counts who was lost together
                member.state, member.due_at = State.FIRING, at
            self._keep(member, at)
        self._settle(at)
        while self._queue and self._queue[0][:2] == (at, INCIDENT):
            self._incident(heapq.heappop(self._queue)[-1], at)

    def _keep(self, member: IncidentMember, at: datetime, *, from_now: bool = False) -> None:
        """Write it, and ask for it again when the clock changes it: after `at`, or `from_now` on."""
        loose = self._there.case_of(member) is None
        clocks = ends(member, self._rule(member), self._away, loose=loose)
        member.next_at = min((end for end in clocks if end > at or (from_now and end == at)), default=None)
        self.members[id(member)] = member
        self._ask_again(member)

    def _settle(self, at: datetime) -> None:
        """What follows for the incidents whose devices changed."""
        for case in self._there.touched.values():
            if case.is_open:
                case.watch(at, self._away)
                case.tell(at)
                self._watch(case)
            self.incidents[id(case.row)] = case.row
        self._there.touched.clear()

    def _incident(self, case: Case, at: datetime) -> None:
        """What the clock does to an incident."""
        if not case.is_open or case.next_at != at:
            return
        case.tell(at)
        self.incidents[id(case.row)] = case.row
        if case.row.apart_at == at:
            for member in self._there.part(case, self._members_of(case.row), at):
                self.members[id(member)] = member
                if member.state != State.GONE:
                    self._keep(member, at)
            self._settle(at)
        self._watch(case)

    def _clock(self, member: IncidentMember, at: datetime) -> IncidentMember | None:
        """What the clock does to a device; gives it where its incident is to be found."""
        if member.next_at != at or self._there.held(*key_of(member)) is not member:
            return None  # it has changed since
        if member.state == State.PENDING:
            return self._ripe(member, at)
        until = held_until(member, self._rule(member), self._away)
        if until and until <= at:
            self._gone(member, member.recovered_at or at, Reason.RECOVERED, at)
            return None
        self._keep(member, at)
        return member if self._there.case_of(member) is None else None

    def _ripe(self, member: IncidentMember, at: datetime) -> IncidentMember | None:
        """A device that waits is due, unless an interruption lay between."""
        rule = self._rule(member)
        member.due_at = due = due_of(member, rule, self._away)
        if is_together(rule) and at >= due + WAIT:  # nobody was lost with it
            self._forget(member)
            return None
        if due <= at and not is_together(rule):
            member.state = State.FIRING
        self._keep(member, at)
        return member if due <= at else None

    def _fact(self, fact: Fact) -> None:
        member = self._there.held(fact.rule, fact.device)
        if fact.lost is None:
            if member:
                self._ends(member, fact)
        elif member is None:
            member = begun(fact, self._away.dated(fact.lost), self._there.rules[fact.rule], self._away)
            member.unstable = fact.device in self._unstable
            self._there.hold(member)
            self._keep(member, fact.at, from_now=True)
        elif fact.at >= (member.recovered_at or member.since):
            self._still(member, self._away.dated(fact.lost))
            self._keep(member, fact.at, from_now=True)

    def _mark(self, mark: Mark) -> None:
        """A device whose link changes often stays in its incidents, however it is, until that is calm."""
        (self._unstable.add if mark.unstable else self._unstable.discard)(mark.device)
        for member in self._there.held_of(mark.device):
            if member.unstable != mark.unstable:
                member.unstable = mark.unstable
                until = held_until(member, self._rule(member), self._away)
                if until and until <= mark.at:
                    self._gone(member, member.recovered_at or mark.at, Reason.RECOVERED, mark.at)
                else:
                    self._keep(member, mark.at, from_now=True)

    def _still(self, member: IncidentMember, lost: Lost) -> None:
        if member.state == State.PENDING:
            describe(member, lost)
            return
        self._there.recount(member, lost)
        if member.state == State.RECOVERING:
            member.state, member.recovered_at = State.FIRING, None
            member.flaps += 1

    def _ends(self, member: IncidentMember, fact: Fact) -> None:
        if fact.at < member.since:
            return
        if member.state == State.PENDING:
            if fact.reason == Reason.RECOVERED and fact.at < member.due_at:
                self.came_back[fact.rule] += 1
            self._forget(member)
        elif fact.reason != Reason.RECOVERED:
            self._gone(member, fact.at, fact.reason, fact.at)
        elif member.state == State.FIRING:
            member.state, member.recovered_at = State.RECOVERING, fact.at
            self._keep(member, fact.at, from_now=True)

    def _forget(self, member: IncidentMember) -> None:
        self._there.drop(member)
        self.members.pop(id(member), None)
        self.forgotten.append(member)

    def _gone(self, member: IncidentMember, gone_at: datetime, reason: str, at: datetime) -> None:
        if self._there.case_of(member) is None:  # it fired, so it was an incident
            self._there.alone(member, at)
        case = self._there.case_of(member)
        member.state, member.gone_at, member.reason, member.next_at = State.GONE, gone_at, reason, None
        self.members[id(member)] = member
        if case:
            self._there.leave(member, case, member.rank)
            if case.row.now == 0:
                self._there.close(case, gone_at)
        self._there.drop(member)
