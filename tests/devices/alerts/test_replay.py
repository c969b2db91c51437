"""What a replay decides: what docs/alerts.md says, and the same however time is cut into rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from devices.alerts.cases import Case
from devices.alerts.gathering import Gathering
from devices.alerts.lifecycle import Away, Fact, State
from devices.alerts.replay import Replay
from devices.listing.grouping import ALONE, EPOCH, Lost
from devices.models import AlertRule, Condition, Incident, IncidentMember
from tests.devices.alerts.model import Model, Times
from tests.factories import T0, seconds

HERE = 1  # the organization
DEVICES = 9
SITES = [f"203.0.113.{1 + device // 7}" for device in range(DEVICES)]
LAST_FACT, LAST = 290, 1300
Told = tuple[object, ...]
When = tuple[int, int, bool]


class Store:
    """What rounds keep, and what each of them reads of it (devices/alerts/recorded.py)."""

    def __init__(self, rules: Iterable[AlertRule], away: Away) -> None:
        self.rules, self.away = {rule.pk: rule for rule in rules}, away
        self.members: list[IncidentMember] = []
        self.incidents: list[Incident] = []
        self.came_back = 0

    def round(self, facts: list[Fact], until: datetime) -> None:
        devices = {fact.device for fact in facts}
        devices |= {m.device_id for m in self.members if m.next_at and m.next_at <= until}
        mine = [m for m in self.members if m.device_id in devices]
        cases = {id(row): self.case(row) for row in self.read(devices, until)}
        for member in mine:
            if member.incident and member.incident.resolved_at is None:
                cases.setdefault(id(member.incident), self.case(member.incident))
        there = Gathering(self.rules, lambda _, since: self.waiting(since, cases), lambda _: {})
        for case in cases.values():
            there.know(case)
        for member in mine:
            its = cases.get(id(member.incident))
            if member.state != State.GONE:
                there.hold(member, its)
            elif its:
                its.ever.add(member.device_id)
        replay = Replay(there, self.away, lambda row: [m for m in self.open() if m.incident is row])
        clocks = [member for member in mine if member.next_at and member.next_at <= until]
        replay.play(facts, clocks, cases.values(), until)
        self.keep(replay)

    def read(self, devices: set[int], until: datetime) -> Iterator[Incident]:
        for row in self.incidents:
            known = row.kind != ALONE or row.key in {str(device) for device in devices}
            if row.resolved_at is None and (known or row.tell_at <= until or (row.apart_at or until) < until):
                yield row

    def case(self, row: Incident) -> Case:
        case = Case(row)
        for member in self.open():
            if member.incident is row:
                case.ranks[member.rule_id or 0, member.rank] += 1
        return case

    def open(self) -> list[IncidentMember]:
        return [member for member in self.members if member.state != State.GONE]

    def waiting(
        self, since: datetime, cases: dict[int, Case]
    ) -> Iterator[tuple[IncidentMember, Case | None]]:
        for member in self.open():
            row = member.incident
            if member.moment >= since and (row is None or row.kind == ALONE):
                yield member, cases.setdefault(id(row), self.case(row)) if row else None

    def keep(self, replay: Replay) -> None:
        forgotten = {id(member) for member in replay.forgotten}
        self.members = [member for member in self.members if id(member) not in forgotten]
        there = {id(row) for row in [*self.members, *self.incidents]}
        self.members += [member for pk, member in replay.members.items() if pk not in there]
        self.incidents += [row for pk, row in replay.incidents.items() if pk not in there]
        self.came_back += sum(replay.came_back.values())


def rule(pk: int, condition: Condition, times: Times) -> AlertRule:
    return AlertRule(
        pk=pk,
        organization_id=HERE,
        condition=condition,
        severity="warning",
        delay=times.delay,
        hold=times.hold,
        gather=times.gather,
    )


def fact(of: int, when: When) -> Fact:
    at, device, lost = when
    micro = (T0 + seconds(at) - EPOCH) // timedelta(microseconds=1)
    what = Lost(
        id=device,
        uuid=str(device),
        name="",
        fleet=device,
        status="offline",
        rank=0,
        since=micro,
        what="heartbeat",
        moment=micro,
        lost_at=None,
        address=SITES[device],
        server=None,
        release="",
        tags="{}",
    )
    return Fact(T0 + seconds(at), of, device, what if lost else None)


def second(at: datetime | None) -> int | None:
    return None if at is None else int((at - T0).total_seconds())


def members(store: Store) -> list[Told]:
    return [
        (
            m.device_id,
            second(m.since),
            second(m.due_at),
            m.state != State.PENDING,
            second(m.recovered_at),
            second(m.gone_at),
            m.reason == "apart",
            m.flaps,
        )
        for m in store.members
    ]


def incidents(store: Store) -> list[Told]:
    return [
        (
            "" if row.kind == ALONE else row.key,
            second(row.opened_at),
            second(row.resolved_at),
            row.merged_into is not None,
            second(row.first),
            second(row.last),
            row.now,
            row.at_most,
            row.ever,
        )
        for row in store.incidents
    ]


@st.composite
def lives(draw: st.DrawFn) -> tuple[Times, list[When]]:
    """A few devices of two sites that are lost and return within five minutes, in turn each."""
    away = draw(st.sampled_from([(0, 0), (60, 100), (200, 420)]))
    times = Times(
        draw(st.integers(1, 90)), draw(st.sampled_from([0, 10, 60])), draw(st.sampled_from([0, 20, 90])), away
    )
    facts: list[When] = []
    for device in range(DEVICES):
        moments = sorted(draw(st.sets(st.integers(0, LAST_FACT), max_size=4)))
        moments = [at for at in moments if not away[0] <= at < away[1]]
        facts += [(at, device, number % 2 == 0) for number, at in enumerate(moments)]
    return times, facts


def played(rules: list[AlertRule], away: tuple[int, int], facts: list[Fact], cuts: Iterable[int]) -> Store:
    spans = [(T0 + seconds(away[0]), T0 + seconds(away[1]))] if away[1] else []
    store = Store(rules, Away(spans))
    for before, until in pairwise([-1, *sorted({*cuts, LAST})]):
        some = [f for f in facts if T0 + seconds(before) < f.at <= T0 + seconds(until)]
        store.round(some, T0 + seconds(until))
    return store


def same(some: Iterable[Told], others: Iterable[Told]) -> bool:
    """Whether they are the same, in any order."""
    return sorted(some, key=str) == sorted(others, key=str)


@given(lives(), st.sets(st.integers(0, LAST), max_size=30))
def test_it_is_the_model_s(life: tuple[Times, list[When]], cuts: set[int]) -> None:
    times, facts = life
    model = Model(times, SITES)
    model.play(facts, LAST)
    store = played([rule(1, Condition.STATUS, times)], times.away, [fact(1, f) for f in facts], cuts)
    assert same(members(store), [spell.told() for spell in [*model.over, *model.now.values()]])
    assert same(incidents(store), [outage.told() for outage in model.outages])
    assert store.came_back == model.came_back


@given(lives(), st.sets(st.integers(0, LAST), max_size=60), st.randoms())
def test_rounds_do_not_matter(life: tuple[Times, list[When]], cuts: set[int], order: Random) -> None:
    times, facts = life
    rules = [rule(1, Condition.STATUS, times), rule(2, Condition.TOGETHER, times)]
    both = [fact(of, f) for f in facts for of in (1, 2)]
    once = played(rules, times.away, both, [])
    order.shuffle(both)
    often = played(rules, times.away, both, cuts)
    assert same(members(often), members(once))
    assert same(incidents(often), incidents(once))
