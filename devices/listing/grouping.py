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
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import groupby, pairwise
from typing import Final

from msgspec import Struct

TOGETHER: Final = timedelta(minutes=5)
SPAN: Final = TOGETHER // timedelta(microseconds=1)
MANY: Final = 5  # devices are a group, fewer are lines of their own
NAMED: Final = 8  # devices of a group that are named
RANKS: Final = 4  # of what needs attention
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What devices of a group share, the first that explains most of its devices is said. One of the last three
# only where none of the first three does: too many devices share a tag or a release that were not lost.
ALONE: Final = 0
SERVER, ADDRESS, WHOLE_FLEET, TAG, RELEASE, FLEET = range(1, 7)
MOST: Final = 0.8  # of the devices that another explanation has

Key = tuple[int, str, str]  # kind, key, what
Sizes = Callable[[Collection[int]], Mapping[int, int]]  # how many devices fleets have


class Lost(Struct, frozen=True, gc=False):
    """A device that needs attention, as it is read: what it lost and when, and what it may share with others.

    Moments are microseconds since 1970: a page reads thousands, and a number costs a tenth of a datetime.
    """

    id: int
    uuid: str
    name: str
    fleet: int
    status: str
    rank: int
    since: int
    what: str  # vpn, heartbeat, progress, or never: was not connected yet
    moment: int  # when it was lost
    lost_at: int | None  # when its heartbeat is, or was, lost
    address: str | None
    server: int | None
    release: str
    tags: str  # JSON

    @property
    def began(self) -> int:
        """Since when it has been in trouble of any kind."""
        return min(self.moment, self.since)


class Line(Struct, frozen=True, gc=False):
    """Devices that were lost together, the latest first, or one alone."""

    id: str
    kind: int
    key: str
    what: str  # as of its devices; of a group by tag: nothing
    rank: int  # of the worst
    newest: datetime  # change of status
    first: datetime  # when the first and the last of them was lost
    last: datetime
    numbers: tuple[int, ...]  # by rank
    lost: tuple[Lost, ...]

    @property
    def number(self) -> int:
        return len(self.lost)

    def began_after(self, at: datetime) -> bool:
        """Whether all of them have been in trouble only since then."""
        moment = (at - EPOCH) // timedelta(microseconds=1)
        return all(item.began > moment for item in self.lost)

    @property
    def devices(self) -> tuple[int, ...]:
        """The ids of those that are named."""
        return tuple(item.id for item in self.lost[:NAMED])


@dataclass(frozen=True, eq=False)
class Incident:
    """Devices that share something and lost the same within five minutes."""

    kind: int
    key: str
    what: str
    members: list[Lost]  # the first one lost stands first

    @cached_property
    def number(self) -> int:
        return len(self.members)


def grouped(lost: Sequence[Lost], sizes: Sizes) -> list[Line]:
    """Every device in a line, in no order."""
    found = [incident for key, some in _shared(lost).items() for incident in _incidents(key, some)]
    lines = [_line(item) for item in _explaining(found, sizes)]
    within = {item.id for line in lines for item in line.lost}
    return lines + [_alone(item) for item in lost if item.id not in within]


def by_tag(lost: Sequence[Lost], key: str) -> list[Line]:
    """A line for each value of this tag that several have, whenever they were lost."""
    valued: dict[str, list[Lost]] = defaultdict(list)
    for item in sorted(lost, key=_in_time):
        for tag in tags_of(item.tags):
            if tag.partition("=")[0] == key:
                valued[tag].append(item)
    lines = [_line(Incident(TAG, tag, "", some)) for tag, some in valued.items() if len(some) > 1]
    within = {item.id for line in lines for item in line.lost}
    return lines + [_alone(item) for item in lost if item.id not in within]


def tag_keys(lost: Iterable[Lost], most: int) -> list[str]:
    """The tags by which some of these can be put together, those of most devices first."""
    written = Counter(item.tags for item in lost)
    tags: Counter[str] = Counter()
    for text, number in written.items():
        tags.update(dict.fromkeys(tags_of(text), number))
    keys: Counter[str] = Counter()
    for tag, number in tags.items():
        if number > 1:
            keys[tag.partition("=")[0]] += number
    return [key for key, _ in sorted(keys.items(), key=lambda item: (-item[1], item[0]))[:most]]


def _shared(members: Sequence[Lost]) -> dict[Key, list[Lost]]:
    """The devices that share each thing, where they are many, the first one lost first."""
    found: dict[Key, list[Lost]] = defaultdict(list)
    for lost in sorted(members, key=_in_time):
        for key in causes(lost):
            found[key].append(lost)
    return {key: some for key, some in found.items() if len(some) >= MANY}


def causes(lost: Lost) -> list[Key]:
    """All that a device may share with others that lost the same."""
    what = lost.what
    found = [(FLEET, str(lost.fleet), what)]
    if lost.server is not None and what == "vpn":
        found.append((SERVER, str(lost.server), what))
    if lost.address is not None:
        found.append((ADDRESS, lost.address, what))
    if lost.release:
        found.append((RELEASE, f"{lost.fleet} {lost.release}", what))
    return found + [(TAG, tag, what) for tag in tags_of(lost.tags)]


@lru_cache(4096)
def tags_of(written: str) -> tuple[str, ...]:
    """Tags as an address names them: "site=central". Many devices have the same."""
    held = json.loads(written, parse_int=str, parse_float=str)
    return tuple(f"{key}={_text(value)}" for key, value in held.items()) if isinstance(held, dict) else ()


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _incidents(key: Key, members: list[Lost]) -> Iterator[Incident]:
    """Who was lost close to each other is of one session; it is cut into spans of five minutes around its
    densest one.
    """
    for session in _sessions(members):
        if len(session) < MANY:
            continue
        if session[-1].moment - session[0].moment < SPAN:
            yield Incident(*key, session)
            continue
        anchor = _densest(session)
        for _, span in groupby(session, key=lambda item: (item.moment - anchor) // SPAN):
            if len(some := list(span)) >= MANY:
                yield Incident(*key, some)


def _in_time(lost: Lost) -> tuple[int, int]:
    return lost.moment, lost.id


def _sessions(members: list[Lost]) -> Iterator[list[Lost]]:
    begins = 0
    for place, (before, after) in enumerate(pairwise(members), start=1):
        if after.moment - before.moment > SPAN:
            yield members[begins:place]
            begins = place
    yield members[begins:]


def _densest(session: list[Lost]) -> int:
    """The moment after which most were lost within five minutes."""
    moments = [item.moment for item in session]
    ahead = (bisect_right(moments, moment + SPAN) - bisect_left(moments, moment) for moment in moments)
    return min(zip(ahead, moments, strict=True), key=lambda item: (-item[0], item[1]))[1]


def _explaining(incidents: Sequence[Incident], sizes: Sizes) -> list[Incident]:
    """Those that explain best why so many devices were lost."""
    fleets = {int(item.key) for item in incidents if item.kind == FLEET}
    known = sizes(fleets) if fleets else {}
    of_device: dict[int, list[Incident]] = defaultdict(list)
    for incident in incidents:
        for member in incident.members:
            of_device[member.id].append(incident)
    alike = Counter(tuple(some) for some in of_device.values())  # many devices share the same things
    assigned: Counter[Incident] = Counter()
    for some, number in alike.items():
        assigned[_best(some, known)] += number
    return [incident for incident, number in assigned.items() if number >= MANY]


def _best(incidents: Sequence[Incident], sizes: Mapping[int, int]) -> Incident:
    """What explains one device best: a cause of most of those that were lost with it."""
    if len(incidents) == 1:
        return incidents[0]
    placed = [(_explanation_rank(incident, sizes), incident.number, incident) for incident in incidents]
    most = MOST * max(number for _, number, _ in placed)
    better = MOST * max((number for place, number, _ in placed if place <= WHOLE_FLEET), default=0)
    fit = [item for item in placed if item[1] >= most or (item[0] <= WHOLE_FLEET and item[1] >= better)]
    return min(fit, key=lambda item: (item[0], -item[1], item[2].key))[2]


def _explanation_rank(incident: Incident, sizes: Mapping[int, int]) -> int:
    """Which explanation it is: a fleet that was lost as a whole goes before its tags."""
    whole = incident.kind == FLEET and incident.number >= MOST * sizes.get(int(incident.key), 0)
    return WHOLE_FLEET if whole else incident.kind


def _line(incident: Incident) -> Line:
    first, last = incident.members[0].moment, incident.members[-1].moment
    named = f"{incident.kind}|{incident.key}|{incident.what}|{first if incident.what else ''}"
    lost = tuple(sorted(incident.members, key=lambda item: (-item.moment, item.id)))
    ranks = Counter(item.rank for item in lost)
    return Line(
        id=blake2b(named.encode(), digest_size=16).hexdigest(),
        kind=incident.kind,
        key=incident.key,
        what=incident.what,
        rank=min(ranks),
        newest=moment_of(max(item.since for item in lost)),
        first=moment_of(first),
        last=moment_of(last),
        numbers=tuple(ranks[rank] for rank in range(RANKS)),
        lost=lost,
    )


ONE: Final = [tuple(int(own == rank) for rank in range(RANKS)) for own in range(RANKS)]


def _alone(device: Lost) -> Line:
    since, numbers = moment_of(device.since), ONE[device.rank]
    first = moment_of(device.moment) if device.what == "progress" else since
    return Line(
        f"device-{device.id}", ALONE, "", device.what, device.rank, since, first, first, numbers, (device,)
    )


def moment_of(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970 began."""
    return EPOCH + timedelta(microseconds=microseconds)
