"""Which incident a device that is due belongs to: one outage of a site is one incident (docs/alerts.md).

It joins an open incident of its cause and its time; or the devices that wait, with it, are grouped by
devices/listing/grouping.py; or it is an incident of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from devices.alerts.cases import Case, Place, opened
from devices.alerts.lifecycle import Reason, State, again, gathered_at, is_together, lost_of, microseconds
from devices.listing.grouping import ALONE, MANY, Key, Line, Lost, Sizes, causes, enough, grouped
from devices.listing.sessions import TOGETHER
from devices.models import AlertRule, IncidentMember

DUE: Final = (State.FIRING, State.RECOVERING)
# Of an organization, with their incident: those that were lost since a moment, are due and stand in none, or
# alone; and those that are not due yet, with their rule.
Waiting = Callable[[int, datetime], Iterable[tuple[IncidentMember, Case | None]]]
Pending = Callable[[int, datetime], Iterable[tuple[int, Lost]]]


def least(rule: AlertRule) -> int:
    """How many devices must have been lost together for a rule of kind `together`."""
    return int(rule.parameters.get("least", MANY))


class Gathering:
    """The devices that rules hold, and the incidents that they stand in, at one instant after the other.

    `waiting` and `pending` are asked once of each organization, when devices of it have to be grouped.
    """

    def __init__(
        self,
        rules: Mapping[int, AlertRule],
        waiting: Waiting,
        sizes: Sizes,
        pending: Pending = lambda _organization, _since: (),
    ) -> None:
        self.rules, self.cases = rules, dict[int, Case]()  # cases by the identity of their row
        self.touched: dict[int, Case] = {}  # whose devices changed
        self._waiting, self._pending, self._sizes = waiting, pending, sizes
        self._later: dict[int, dict[int, Lost]] = defaultdict(dict)  # by organization and device: not due
        self._of: dict[int, dict[int, IncidentMember]] = defaultdict(dict)  # by device and rule
        self._case: dict[tuple[int, int], Case] = {}
        self._loose: dict[int, dict[tuple[int, int], IncidentMember]] = defaultdict(dict)  # by organization
        self._at: dict[Place, list[Case]] = defaultdict(list)
        self._asked: set[int] = set()
        self._known: set[tuple[int, int]] = set()  # whatever became of them since they were read

    def know(self, case: Case) -> None:
        """Of an open incident."""
        self.cases[id(case.row)] = case
        self._at[case.place].append(case)

    def hold(self, member: IncidentMember, case: Case | None = None) -> None:
        """Of a device that a rule holds; `case`: the incident that it stands in."""
        key = key_of(member)
        self._known.add(key)
        self._of[member.device_id][key[0]] = member
        if case is not None:
            self._case[key] = case
            case.ever.add(member.device_id)
        if case is None or case.row.kind == ALONE:
            self._loose[member.organization_id][key] = member

    def drop(self, member: IncidentMember) -> None:
        """Of a device that its rule holds no longer."""
        key = key_of(member)
        self._of[member.device_id].pop(key[0], None)
        self._case.pop(key, None)
        self._loose[member.organization_id].pop(key, None)

    def held(self, rule: int, device: int) -> IncidentMember | None:
        """The device as this rule holds it."""
        return self._of[device].get(rule)

    def held_of(self, device: int) -> list[IncidentMember]:
        """The device as each rule holds it that does."""
        return list(self._of[device].values())

    def case_of(self, member: IncidentMember) -> Case | None:
        """The incident that a device stands in."""
        return self._case.get(key_of(member))

    def join(self, member: IncidentMember, case: Case) -> None:
        """Let a device that is due stand in an incident."""
        another = self._another(member, case)
        self._case[key_of(member)] = case
        if case.row.kind != ALONE:
            self._loose[member.organization_id].pop(key_of(member), None)
        case.join(member, self.rules, another=another)
        self.touched[id(case)] = case

    def leave(self, member: IncidentMember, case: Case, rank: int) -> None:
        """Take it out again."""
        self._case.pop(key_of(member), None)
        case.leave(member, self.rules, rank, another=self._another(member, case))
        self.touched[id(case)] = case

    def _another(self, member: IncidentMember, case: Case) -> bool:
        mine, device = self._of[member.device_id], member.device_id
        return any(rule != member.rule_id and self._case.get((rule, device)) is case for rule in mine)

    def place(self, due: Iterable[IncidentMember], at: datetime) -> Iterator[IncidentMember]:
        """Find the incidents of devices that are due at this instant; gives those that now stand in one."""
        left = []
        for member in sorted(due, key=_in_time):
            if case := self._fitting(member):
                self.join(member, case)
                yield member
            else:
                left.append(member)
        for member in left:
            if self.case_of(member) is not None:
                continue
            if case := self._fitting(member):  # opened at this instant, such as by another rule
                self.join(member, case)
                yield member
            else:
                yield from self._gather(member, at)

    def _fitting(self, member: IncidentMember) -> Case | None:
        """The open incident that it is part of: that of the most devices, of these the oldest."""
        places = [*causes(lost_of(member))]
        if not is_together(self.rules[member.rule_id or 0]):
            places.append((ALONE, str(member.device_id), member.what))
        fit = [
            case
            for place in places
            for case in self._at.get((member.organization_id, *place), ())
            if case.is_open and case.fits(member.moment)
        ]
        return min(fit, key=_most_then_oldest, default=None)

    def _gather(self, member: IncidentMember, at: datetime) -> Iterator[IncidentMember]:
        line = self._line(member)
        rule = self.rules[member.rule_id or 0]
        if line and (not is_together(rule) or line.number >= least(rule)):
            yield from self._together(line, at)
        elif not is_together(rule) and gathered_at(member, rule) <= at:
            self.alone(member, at)
            yield member

    def alone(self, member: IncidentMember, at: datetime) -> Case:
        """Let it be an incident of its own."""
        case = opened([member], (ALONE, str(member.device_id), member.what), self.rules, at)
        self.know(case)
        self.join(member, case)
        return case

    def _line(self, member: IncidentMember) -> Line | None:
        """The devices that were lost together with this one, among those that stand in no larger incident."""
        self._ask(member.organization_id)
        mine, near = set(causes(lost_of(member))), list[IncidentMember]()
        for other in self._loose[member.organization_id].values():
            if abs(other.moment - member.moment) <= 2 * TOGETHER and other.what == member.what:
                near.append(other)
        of_device = {other.device_id: other for other in sorted(near, key=_in_time)}
        lost = [lost_of(other) for other in of_device.values()]
        first, last = (microseconds(member.moment + sign * 2 * TOGETHER) for sign in (-1, 1))
        lost += [
            item
            for item in self._later[member.organization_id].values()
            if item.id not in of_device and item.what == member.what and first <= item.moment <= last
        ]
        if sum(not mine.isdisjoint(causes(item)) for item in lost) < enough(member.what):
            return None
        lines = (line for line in grouped(lost, self._sizes).lines if line.kind != ALONE)
        return next((x for x in lines if any(item.id == member.device_id for item in x.lost)), None)

    def _ask(self, organization: int) -> None:
        if organization in self._asked:
            return
        self._asked.add(organization)
        here = self._loose[organization].values()
        since = min(member.moment for member in here) - 2 * TOGETHER
        for member, case in self._waiting(organization, since):
            if key_of(member) not in self._known:
                if case and id(case.row) not in self.cases:
                    self.know(case)
                self.hold(member, case)
        later = self._later[organization]
        for rule, lost in self._pending(organization, since):
            if (rule, lost.id) not in self._known and lost.moment >= later.get(lost.id, lost).moment:
                later[lost.id] = lost

    def _together(self, line: Line, at: datetime) -> Iterator[IncidentMember]:
        """Open the incident of a line, or let the oldest of those that stand alone become it."""
        devices = {item.id for item in line.lost}
        members = [
            member
            for device in sorted(devices)
            for member in self._of[device].values()
            if member.what == line.what and self._counts(member, line, at)
        ]
        single = {id(case): case for member in members if (case := self._single(member))}
        place: Key = (line.kind, line.key, line.what)
        if single:
            case = min(single.values(), key=_oldest)
            self._become(case, place)
        else:
            case = opened(members, place, self.rules, at)
            self.know(case)
        for member in members:
            former = self.case_of(member)
            if former is None:
                self.join(member, case)
                yield member
            elif former is not case and former.row.kind == ALONE:
                self._move(member, former, case, at)
                yield member

    def _counts(self, member: IncidentMember, line: Line, at: datetime) -> bool:
        """Whether a device of a line stands in its incident: it is due, and there are enough for its rule."""
        rule = self.rules[member.rule_id or 0]
        if member.state == State.PENDING:
            return is_together(rule) and member.due_at <= at and line.number >= least(rule)
        return member.state in DUE and (self._single(member) is not None or self.case_of(member) is None)

    def _single(self, member: IncidentMember) -> Case | None:
        case = self.case_of(member)
        return case if case and case.row.kind == ALONE else None

    def _become(self, case: Case, place: Key) -> None:
        self._at[case.place].remove(case)
        case.row.kind, case.row.key, case.row.what = place
        self._at[case.place].append(case)
        for loose in self._loose.values():
            for key in [key for key in loose if self._case.get(key) is case]:
                del loose[key]

    def _move(self, member: IncidentMember, former: Case, case: Case, at: datetime) -> None:
        self.leave(member, former, member.rank)
        self.join(member, case)
        if former.row.now == 0 and former.is_open:
            former.row.merged_into = case.row
            self.close(former, at)

    def close(self, case: Case, at: datetime) -> None:
        """An incident without devices is over."""
        case.resolve(at)
        self._at[case.place].remove(case)

    def recount(self, member: IncidentMember, lost: Lost) -> None:
        """A device that stands in an incident has another status now."""
        case = self.case_of(member)
        if case:
            case.ranks[member.rule_id or 0, member.rank] -= 1
            case.ranks[member.rule_id or 0, lost.rank] += 1
        member.status, member.rank = lost.status, lost.rank
        if case:
            case.count(self.rules)
            self.touched[id(case)] = case

    def part(self, case: Case, others: Iterable[IncidentMember], at: datetime) -> Iterator[IncidentMember]:
        """Let the few that are left in an incident go on alone; gives what they were and what they are.

        `others`: those that stand in it as far as is recorded.
        """
        for member in others:
            if key_of(member) not in self._known:
                self.hold(member, case)
        inside = [self._of[device][rule] for (rule, device), its in self._case.items() if its is case]
        for member in sorted(inside, key=_in_time):
            other = again(member)
            self.leave(member, case, member.rank)
            self.drop(member)
            member.state, member.gone_at, member.reason, member.next_at = State.GONE, at, Reason.APART, None
            yield member
            self.hold(other)
            self.alone(other, at).row.parted_from = case.row
            yield other
        self.close(case, at)


def key_of(member: IncidentMember) -> tuple[int, int]:
    """Its rule and its device; a rule that was deleted is 0."""
    return member.rule_id or 0, member.device_id


def _in_time(member: IncidentMember) -> tuple[datetime, int, int]:
    return member.moment, member.device_id, member.rule_id or 0


def _oldest(case: Case) -> tuple[datetime, datetime, str]:
    return case.row.opened_at, case.row.first, case.row.key


def _most_then_oldest(case: Case) -> tuple[int, datetime, datetime, int, str]:
    return -case.row.now, case.row.opened_at, case.row.first, case.row.kind, case.row.key
