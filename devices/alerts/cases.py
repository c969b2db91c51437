"""An incident while a round looks at it: who is in it, and what that makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from devices.alerts.lifecycle import Away
from devices.listing.grouping import ADDRESS, ALONE, SERVER
from devices.listing.sessions import TOGETHER
from devices.models import AlertRule, Incident, IncidentMember
from devices.models.alert_rules import Severity

State = Incident.State
Place = tuple[int, int, str, str]  # organization, kind, key, what
AT_ONCE: Final = 50  # devices: more are not waited for
LONGER: Final = timedelta(minutes=30)  # a server or an address goes on losing devices for so long
LEFT: Final = 0.2  # of the most devices at once: fewer are stragglers
CALM: Final = timedelta(minutes=10)  # after which stragglers part
WORST_FIRST: Final = {severity: number for number, severity in enumerate(Severity.values)}


@dataclass(eq=False)
class Case:
    """An open incident. `ranks`: how many members it has by rule and rank; `ever`: devices known to have been
    in it.
    """

    row: Incident
    ranks: Counter[tuple[int, int]] = field(default_factory=Counter)
    ever: set[int] = field(default_factory=set)

    @property
    def place(self) -> Place:
        return self.row.organization_id, self.row.kind, self.row.key, self.row.what

    @property
    def is_open(self) -> bool:
        return self.row.state != State.RESOLVED

    @property
    def next_at(self) -> datetime | None:
        """When the clock alone changes what it is; None: never."""
        ends = [self.row.apart_at] if self.row.apart_at else []
        ends += [self.row.tell_at] if self.row.state == State.GATHERING else []
        return min(ends) if self.is_open and ends else None

    def fits(self, moment: datetime) -> bool:
        """Whether a device that was lost at that moment, and shares its cause, is part of it."""
        row = self.row
        if row.first - TOGETHER <= moment <= row.last + TOGETHER:
            return True
        return row.kind in {SERVER, ADDRESS} and abs(moment - row.last) <= LONGER

    def join(self, member: IncidentMember, rules: Mapping[int, AlertRule], *, another: bool) -> None:
        """Take a device in. `another`: another rule already holds it here."""
        row = member.incident = self.row
        row.first, row.last = min(row.first, member.moment), max(row.last, member.moment)
        if not another:
            row.now += 1
        if member.device_id not in self.ever:
            self.ever.add(member.device_id)
            row.ever += 1
        row.at_most = max(row.at_most, row.now)
        self.ranks[member.rule_id or 0, member.rank] += 1
        self.count(rules)

    def leave(
        self, member: IncidentMember, rules: Mapping[int, AlertRule], rank: int, *, another: bool
    ) -> None:
        """Let a device go that counted with this rank."""
        self.ranks[member.rule_id or 0, rank] -= 1
        if not another:
            self.row.now -= 1
        self.count(rules)

    def count(self, rules: Mapping[int, AlertRule]) -> None:
        """What its members make of it: its worst rank, and the highest severity of their rules."""
        there = [key for key, number in self.ranks.items() if number > 0]
        if there:
            self.row.rank = min(rank for _, rank in there)
            severities = [rules[rule].severity for rule, _ in there if rule in rules]
            self.row.severity = min(severities, key=WORST_FIRST.__getitem__, default=self.row.severity)

    def watch(self, at: datetime, away: Away) -> None:
        """Note since when few are left."""
        row = self.row
        few = 0 < row.now <= LEFT * row.at_most
        if few and row.apart_at is None:
            row.apart_at = away.observed(at, CALM)
        elif not few:
            row.apart_at = None

    def tell(self, at: datetime) -> None:
        """It has gathered: at the end of that time, or at once where it has very many devices."""
        if self.row.state == State.GATHERING and (self.row.at_most >= AT_ONCE or self.row.tell_at <= at):
            self.row.state, self.row.tell_at = State.FIRING, min(self.row.tell_at, at)

    def resolve(self, at: datetime) -> None:
        """No device is left: it is over since then."""
        self.row.state, self.row.apart_at = State.RESOLVED, None
        self.row.resolved_at = max(at, self.row.opened_at)


def opened(
    members: list[IncidentMember], place: tuple[int, str, str], rules: Mapping[int, AlertRule], at: datetime
) -> Case:
    """An incident of these devices, which do not stand in it yet; `place` is its kind, key and what."""
    first = min(members, key=lambda member: (member.due_at, member.device_id))
    rule = rules[first.rule_id or 0]
    kind, key, what = place
    alone = kind == ALONE
    tell_at = first.due_at if first.due_at > at else first.due_at + timedelta(seconds=rule.gather)
    row = Incident(
        organization_id=first.organization_id,
        kind=kind,
        key=key,
        what=what,
        first=first.moment,
        last=first.moment,
        severity=rule.severity,
        state=State.FIRING if alone else State.GATHERING,
        opened_at=min(first.due_at, at),
        tell_at=at if alone else max(tell_at, at),
        rank=first.rank,
    )
    return Case(row)
