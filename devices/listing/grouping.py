"""Grouping devices that need attention into incidents: those that were lost together and share something.

Together means within five minutes; shared may be a VPN server, a public address, a release, a tag or a fleet.
It works on the limited number of devices that a page reads, so that an outage has a bounded cost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter
from typing import Final

from msgspec import Struct

from devices.listing.lost_tags import tags_of
from devices.listing.sessions import SPAN, densest, sessions
from devices.rules import vocabulary

MANY: Final = 5  # the usual least number of devices of a group; fewer are lines of their own
NAMED: Final = 8  # devices of a group that are named
RANKS: Final = 4  # the number of ranks that need attention
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What the devices of a group may share, in order of preference among explanations of most of its devices. The
# last three count only where none of the first three does, since many devices that were not lost share them.
ALONE: Final = 0
SERVER, ADDRESS, WHOLE_FLEET, TAG, RELEASE, FLEET = range(1, 7)
MOST: Final = 0.8  # the share of another explanation's devices that a preferred one must have
# What a device has lost whose VPN server stopped reporting: that is known, so nothing else explains it.
SILENT: Final = "silent"
LINK_OF_VPN: Final = ("vpn", SILENT)  # what was lost where it was the VPN

IN_TIME: Final = attrgetter("moment", "id")  # the order in which devices were lost
Key = tuple[int, str, str]  # the kind of what is shared (ALONE to FLEET), its key, and what was lost
Sizes = Callable[[Collection[int]], Mapping[int, int]]  # the number of devices by fleet id, given fleet ids


class Lost(Struct, frozen=True, gc=False):
    """A device that needs attention: what it lost and when, and what it may share with others.

    Moments are microseconds since 1970: a page reads thousands, and an int costs a tenth of a datetime.
    """

    id: int
    uuid: str
    name: str
    fleet: int
    status: str
    rank: int
    since: int
    what: str  # what was lost: vpn, silent (the same, by its server), heartbeat, progress, never (was not
    # connected yet), or status (nothing: it has one that a rule names)
    moment: int  # when that was lost
    lost_at: int | None  # when its heartbeat was or will be lost
    address: str | None  # public
    server: int | None  # the id of its VPN server
    release: str
    tags: str  # JSON

    @property
    def began(self) -> int:
        """Since when the device has needed attention for any reason."""
        return min(self.moment, self.since)


class Line(Struct, frozen=True, gc=False):
    """A line of the Attention page: devices that were lost together, or one device alone."""

    id: str  # stays as long as the line means the same incident
    kind: int  # of what they share: ALONE to FLEET
    key: str  # of what they share: an id, an address, a tag …
    what: str  # what they lost, as Lost.what; empty for a group by tag
    rank: int  # of the worst device
    newest: datetime  # the newest change of status
    first: datetime  # when the first device was lost
    last: datetime  # when the last device was lost
    numbers: tuple[int, ...]  # of devices by rank
    lost: tuple[Lost, ...]  # the latest first
    began: int = 0  # since when one of the devices has needed attention, in microseconds since 1970

    @property
    def number(self) -> int:
        """The number of devices."""
        return len(self.lost)

    @property
    def devices(self) -> tuple[int, ...]:
        """The ids of the devices that are named, NAMED at most."""
        return tuple(item.id for item in self.lost[:NAMED])


@dataclass(frozen=True, eq=False)
class Incident:
    """Devices that share something (`kind`, `key`) and lost one thing (`what`) within five minutes."""

    kind: int
    key: str
    what: str
    members: list[Lost]  # the first lost first

    @cached_property
    def number(self) -> int:
        """The number of devices."""
        return len(self.members)

    @cached_property
    def line(self) -> Line:
        """The incident as a line."""
        return _line(self)


@dataclass(frozen=True)
class Grouping:
    """Devices as lines, which are in no order, and what helps to group nearly the same devices again.

    That is the devices by id; by what they share, the first lost first; and the incidents of these.
    """

    devices: Mapping[int, Lost] = field(default_factory=dict)
    sharing: Mapping[Key, list[Lost]] = field(default_factory=dict)
    incidents: Mapping[Key, list[Incident]] = field(default_factory=dict)
    lines: Sequence[Line] = ()


def grouped(lost: Sequence[Lost], sizes: Sizes, before: Grouping | None = None) -> Grouping:
    """The devices as lines: groups by what explains their loss best, and single devices.

    `before`: an earlier grouping, of which what other devices share is taken over.
    """
    before = before or Grouping()
    devices = {item.id: item for item in lost}
    sharing, incidents = dict(before.sharing), dict(before.incidents)
    for key, members in _changed(before, devices):
        sharing[key] = members
        incidents[key] = list(_incidents(key, members))
        if not incidents[key]:
            del incidents[key]
    found = [incident for of_key in incidents.values() for incident in of_key]
    lines = [incident.line for incident in _explaining(found, sizes)]
    return Grouping(devices, sharing, incidents, [*lines, *_others(lost, lines, before)])


def _others(lost: Sequence[Lost], lines: Sequence[Line], before: Grouping) -> list[Line]:
    """A line for each of these devices that is in none of the lines: the former one of the same device."""
    within = {item.id for line in lines for item in line.lost}
    known = {line.lost[0].id: line for line in before.lines if line.kind == ALONE}
    others = ((item, known.get(item.id)) for item in lost if item.id not in within)
    return [line if line and line.lost[0] is item else _alone(item) for item, line in others]


def by_tag(lost: Sequence[Lost], key: str) -> Grouping:
    """The devices as lines, grouped by the values of the tag `key`, whenever they were lost."""
    valued: dict[str, list[Lost]] = defaultdict(list)
    for item in sorted(lost, key=IN_TIME):
        for tag in tags_of(item.tags):
            if tag.partition("=")[0] == key:
                valued[tag].append(item)
    lines = [Incident(TAG, tag, "", members).line for tag, members in valued.items() if len(members) > 1]
    return Grouping(lines=[*lines, *_others(lost, lines, Grouping())])


def _changed(before: Grouping, devices: Mapping[int, Lost]) -> Iterator[tuple[Key, list[Lost]]]:
    """What is shared by other devices than before, each with these devices, the first lost first."""
    left: dict[Key, set[int]] = defaultdict(set)
    joined: dict[Key, list[Lost]] = defaultdict(list)
    for pk, item in before.devices.items():
        if devices.get(pk) is not item:
            for key in causes(item):
                left[key].add(pk)
    new = (item for pk, item in devices.items() if before.devices.get(pk) is not item)
    for item in sorted(new, key=IN_TIME):
        for key in causes(item):
            joined[key].append(item)
    for key in {**left, **joined}:
        stayed = [item for item in before.sharing.get(key, ()) if item.id not in left[key]]
        yield key, sorted([*stayed, *joined[key]], key=IN_TIME) if stayed else joined[key]


def enough(what: str) -> int:
    """How many devices that lost this make a group; two are enough where the cause is known."""
    return 2 if what == SILENT else MANY


def causes(lost: Lost) -> tuple[Key, ...]:
    """The keys of everything that a device may share with others that lost the same thing."""
    return _causes(lost.what, lost.fleet, lost.server, lost.address, lost.release, lost.tags)


@lru_cache(8192)
def _causes(
    what: str, fleet: int, server: int | None, address: str | None, release: str, tags: str
) -> tuple[Key, ...]:
    """Cached, as the same devices are grouped again and again while some of them change."""
    if what == SILENT:
        return ((SERVER, str(server), what),)
    found = [(FLEET, str(fleet), what)]
    if server is not None and what == "vpn":
        found.append((SERVER, str(server), what))
    if address is not None:
        found.append((ADDRESS, address, what))
    if release:
        found.append((RELEASE, f"{fleet} {release}", what))
    return (*found, *((TAG, tag, what) for tag in tags_of(tags)))


def _incidents(key: Key, members: list[Lost]) -> Iterator[Incident]:
    """The incidents among devices that share `key`.

    Devices that were lost close to each other are a session, which is cut into spans of five minutes, one of
    them its densest. A span of so many devices as `enough` says is an incident.
    """
    needed = enough(key[2])
    if len(members) < needed:
        return
    for session in sessions(members):
        if len(session) < needed:
            continue
        if session[-1].moment - session[0].moment < SPAN:
            yield Incident(*key, session)
            continue
        anchor = densest(session)
        for _, span in groupby(session, key=lambda item: (item.moment - anchor) // SPAN):
            if len(together := list(span)) >= needed:
                yield Incident(*key, together)


def _explaining(incidents: Sequence[Incident], sizes: Sizes) -> list[Incident]:
    """Those of the incidents that explain the loss of enough devices best."""
    fleets = {int(item.key) for item in incidents if item.kind == FLEET}
    known = sizes(fleets) if fleets else {}
    by_device: dict[int, list[Incident]] = defaultdict(list)
    for incident in incidents:
        for member in incident.members:
            by_device[member.id].append(incident)
    alike = Counter(tuple(explanations) for explanations in by_device.values())  # many devices share all
    assigned: Counter[Incident] = Counter()
    for explanations, number in alike.items():
        assigned[_best(explanations, known)] += number
    return [incident for incident, number in assigned.items() if number >= enough(incident.what)]


def _best(incidents: Sequence[Incident], sizes: Mapping[int, int]) -> Incident:
    """The incident that explains the loss of one device best: it has most of the devices lost with it."""
    if len(incidents) == 1:
        return incidents[0]
    ranked = [(_explanation_rank(incident, sizes), incident.number, incident) for incident in incidents]
    most = MOST * max(number for _, number, _ in ranked)
    better = MOST * max((number for rank, number, _ in ranked if rank <= WHOLE_FLEET), default=0)
    fit = [item for item in ranked if item[1] >= most or (item[0] <= WHOLE_FLEET and item[1] >= better)]
    return min(fit, key=lambda item: (item[0], -item[1], item[2].key))[2]


def _explanation_rank(incident: Incident, sizes: Mapping[int, int]) -> int:
    """The rank of an incident as an explanation: its kind, or WHOLE_FLEET if most of a fleet was lost."""
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
        began=min(item.began for item in lost),
    )


ONE: Final = [tuple(int(own == rank) for rank in range(RANKS)) for own in range(len(vocabulary.RANKS))]


def _alone(device: Lost) -> Line:
    since, numbers = moment_of(device.since), ONE[device.rank]
    first = moment_of(device.moment) if device.what == "progress" else since
    own = (device.rank, since, first, first, numbers, (device,), device.began)
    return Line(f"device-{device.id}", ALONE, "", device.what, *own)


def moment_of(microseconds: int) -> datetime:
    """The datetime, in UTC, of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)
