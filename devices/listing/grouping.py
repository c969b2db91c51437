"""Which devices in trouble are one line: those that were lost together and share something.

Together means within five minutes; shared may be a VPN server, a public address, a release, a tag, a fleet.
Over the few devices that a page looks at, so that the cost of an outage has a bound.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import groupby, pairwise
from typing import Final

from msgspec import Struct

TOGETHER: Final = timedelta(minutes=5)
MANY: Final = 5  # devices are a group, fewer are lines of their own
NAMED: Final = 8  # devices of a group that are named
RANKS: Final = 4  # of what needs attention

# What devices of a group share, the first that explains most of its devices is said. One of the last three
# only where none of the first three does: too many devices share a tag or a release that were not lost.
ALONE: Final = 0
SERVER, ADDRESS, WHOLE_FLEET, TAG, RELEASE, FLEET = range(1, 7)
MOST: Final = 0.8  # of the devices that another explanation has

Key = tuple[int, str, str]  # kind, key, what
Sizes = Callable[[Collection[int]], Mapping[int, int]]  # how many devices fleets have


class Lost(Struct, frozen=True):
    """A device that needs attention, as it is read: its facts, and what it may share with others."""

    id: int
    uuid: str
    name: str
    fleet: int
    status: str
    rank: int
    since: datetime
    vpn_since: datetime | None
    polled: datetime | None
    lost_at: datetime | None  # when its heartbeat is, or was, lost
    progressed: datetime | None
    address: str | None
    server: int | None
    release: str
    tags: str  # JSON

    @property
    def what(self) -> str:
        """What was lost: the VPN of a device that was never heard of after it was lost, though the deadline
        of its heartbeat came later; so a site without power is one incident, however its devices poll.
        """
        if self.rank == 3:
            return "progress"
        if self.rank < 2 and self.vpn_since:
            if self.rank == 1 or self.polled is None or self.vpn_since >= self.polled:
                return "vpn"
            return "heartbeat"
        return "never" if self.rank == 1 else "heartbeat"

    @property
    def moment(self) -> datetime:
        """When that was."""
        return {"vpn": self.vpn_since, "progress": self.progressed}.get(self.what) or self.since


class Member(Struct, frozen=True):
    """A device with what it lost and when, each worked out once."""

    lost: Lost
    what: str
    moment: datetime


@dataclass(frozen=True)
class Line:
    """Devices that were lost together, the latest first, or one alone."""

    id: str
    kind: int
    key: str
    what: str  # vpn, heartbeat, progress, or never: was not connected yet
    rank: int  # of the worst
    newest: datetime  # change of status
    first: datetime  # when the first and the last of them was lost
    last: datetime
    numbers: tuple[int, ...]  # by rank
    lost: tuple[Lost, ...]

    @property
    def number(self) -> int:
        return len(self.lost)

    @property
    def devices(self) -> tuple[int, ...]:
        """The ids of those that are named."""
        return tuple(device.id for device in self.lost[:NAMED])


@dataclass(frozen=True, eq=False)
class Incident:
    """Devices that share something and lost the same within five minutes."""

    kind: int
    key: str
    what: str
    members: list[Member]  # the first one lost stands first

    @cached_property
    def number(self) -> int:
        return len(self.members)


def grouped(lost: Iterable[Lost], sizes: Sizes) -> list[Line]:
    """Every device in a line, in no order."""
    members = [Member(device, device.what, device.moment) for device in lost]
    found = [incident for key, some in _shared(members).items() for incident in _incidents(key, some)]
    lines = [_line(incident) for incident in _explaining(found, sizes)]
    within = {device.id for line in lines for device in line.lost}
    return lines + [_alone(member) for member in members if member.lost.id not in within]


def _shared(members: Sequence[Member]) -> dict[Key, list[Member]]:
    """The devices that share each thing, where they are many."""
    found: dict[Key, list[Member]] = defaultdict(list)
    for member in members:
        lost, what = member.lost, member.what
        found[FLEET, str(lost.fleet), what].append(member)
        if lost.server is not None and what == "vpn":
            found[SERVER, str(lost.server), what].append(member)
        if lost.address is not None:
            found[ADDRESS, lost.address, what].append(member)
        if lost.release:
            found[RELEASE, f"{lost.fleet} {lost.release}", what].append(member)
        for tag in tags_of(lost.tags):
            found[TAG, tag, what].append(member)
    return {key: some for key, some in found.items() if len(some) >= MANY}


@lru_cache(4096)
def tags_of(written: str) -> tuple[str, ...]:
    """Tags as an address names them: "site=central". Many devices have the same."""
    held = json.loads(written, parse_int=str, parse_float=str)
    return tuple(f"{key}={_text(value)}" for key, value in held.items()) if isinstance(held, dict) else ()


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _incidents(key: Key, members: list[Member]) -> Iterator[Incident]:
    """Who was lost close to each other is of one session; it is cut into spans of five minutes around its
    densest one.
    """
    for session in _sessions(sorted(members, key=lambda member: (member.moment, member.lost.id))):
        if len(session) < MANY:
            continue
        anchor = _densest(session)
        for _, span in groupby(session, key=lambda member: (member.moment - anchor) // TOGETHER):
            if len(some := list(span)) >= MANY:
                yield Incident(*key, some)


def _sessions(members: list[Member]) -> Iterator[list[Member]]:
    begins = 0
    for position, (before, after) in enumerate(pairwise(members), start=1):
        if after.moment - before.moment > TOGETHER:
            yield members[begins:position]
            begins = position
    yield members[begins:]


def _densest(session: list[Member]) -> datetime:
    """The moment after which most were lost within five minutes."""
    moments = [member.moment for member in session]
    ahead = (bisect_right(moments, moment + TOGETHER) - bisect_left(moments, moment) for moment in moments)
    return min(zip(ahead, moments, strict=True), key=lambda candidate: (-candidate[0], candidate[1]))[1]


def _explaining(incidents: Sequence[Incident], sizes: Sizes) -> list[Incident]:
    """Those that explain best why so many devices were lost."""
    fleets = {int(incident.key) for incident in incidents if incident.kind == FLEET}
    known = sizes(fleets) if fleets else {}
    of_device: dict[int, list[Incident]] = defaultdict(list)
    for incident in incidents:
        for member in incident.members:
            of_device[member.lost.id].append(incident)
    assigned = Counter(_best(incident, known) for incident in of_device.values())
    return [incident for incident, number in assigned.items() if number >= MANY]


def _best(incidents: Sequence[Incident], sizes: Mapping[int, int]) -> Incident:
    """What explains one device best: a cause of most of those that were lost with it."""
    if len(incidents) == 1:
        return incidents[0]
    placed = [(_explanation_rank(incident, sizes), incident.number, incident) for incident in incidents]
    most = MOST * max(number for _, number, _ in placed)
    better = MOST * max((number for position, number, _ in placed if position <= WHOLE_FLEET), default=0)
    fit = [
        candidate
        for candidate in placed
        if candidate[1] >= most or (candidate[0] <= WHOLE_FLEET and candidate[1] >= better)
    ]
    return min(fit, key=lambda candidate: (candidate[0], -candidate[1], candidate[2].key))[2]


def _explanation_rank(incident: Incident, sizes: Mapping[int, int]) -> int:
    """Which explanation it is: a fleet that was lost as a whole goes before its tags."""
    whole = incident.kind == FLEET and incident.number >= MOST * sizes.get(int(incident.key), 0)
    return WHOLE_FLEET if whole else incident.kind


def _line(incident: Incident) -> Line:
    first, last = incident.members[0].moment, incident.members[-1].moment
    named = "|".join((str(incident.kind), incident.key, incident.what, first.isoformat()))
    latest = sorted(incident.members, key=lambda item: (-item.moment.timestamp(), item.lost.id))
    lost = tuple(item.lost for item in latest)
    ranks = Counter(device.rank for device in lost)
    return Line(
        id=blake2b(named.encode(), digest_size=16).hexdigest(),
        kind=incident.kind,
        key=incident.key,
        what=incident.what,
        rank=min(ranks),
        newest=max(device.since for device in lost),
        first=first,
        last=last,
        numbers=tuple(ranks[rank] for rank in range(RANKS)),
        lost=lost,
    )


def _alone(member: Member) -> Line:
    lost = member.lost
    numbers = tuple(int(lost.rank == rank) for rank in range(RANKS))
    return Line(
        f"device-{lost.id}",
        ALONE,
        "",
        member.what,
        lost.rank,
        lost.since,
        lost.since,
        lost.since,
        numbers,
        (lost,),
    )
