"""The lines of the Attention page: what happened and why, what follows, where, and to which devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from dashboard.pages.parts.device_row import Row, row_of
from devices.clock import Moment
from devices.listing.grouping import ALONE, FLEET, NAMED, RELEASE, Line, Lost
from devices.listing.line_sentences import what_happened, what_happened_to_one
from devices.listing.line_shares import MANY, Shared, shared, totals
from devices.listing.lost_tags import tags_of
from devices.listing.lost_with import lost_with
from devices.listing.trouble import Among, Newest
from devices.models import Device
from devices.rules.vocabulary import RANKS, Status
from devices.status.annotated import DeviceWithStatus
from devices.status.explanation import Explanation, explain_all
from devices.status.reading import as_recorded, with_status
from devices.words import thousands
from fleets.models import Fleet

TICKED: Final = 100  # a line with more devices has no checkbox: they are selected in the list of devices
TAGS: Final = 2  # tags of a line that are shown as its place


@dataclass(frozen=True)
class Named:
    """A device that a line names."""

    uuid: str
    name: str
    status: str
    fleet_name: str


@dataclass(frozen=True)
class Next:
    """What follows if the devices of a line report nothing.

    With `status` and `at`: `number` devices get this status, the last of them at this moment, and `words` is
    the condition; `more` if other devices of the line have it already. Else `words` tells how long nothing
    changes.
    """

    words: str
    status: str = ""
    at: datetime | None = None
    number: int = 1
    more: bool = False


@dataclass(frozen=True)
class Item:
    """A line as it is shown: a group of devices that were lost together, or one device, whose `row` is set.

    `what` is the sentence about a group, with the placeholder {devices}, or what follows a device's name.
    `place` words the devices of a group by what they share, with the same placeholder for their number.
    `fleet` (a slug, or "" for all fleets) and `query` are the address of the list of all its devices.
    `uuids` are those that its checkbox selects.
    """

    id: str
    number: int
    since: datetime
    counts: tuple[tuple[str, int], ...]  # status, or "" for stalled, and the number of its devices
    what: str
    next: Next
    fleets: tuple[tuple[str, str], ...]  # slug and name of at most one of its fleets
    fleet_number: int
    tags: tuple[str, ...]  # tags that all its devices have, at most TAGS
    uuids: tuple[str, ...] = ()
    row: Row | None = None
    because: str = ""
    named: tuple[Named, ...] = ()
    total: int | None = None  # devices that share it, lost or not; None: not shown
    place: str = ""
    fleet: str = ""
    query: tuple[tuple[str, str], ...] = ()

    @property
    def sentence(self) -> str:
        """The sentence about what happened to its devices, without markup."""
        if self.row:
            return f"{self.row.name} {self.what}"
        devices = f"{thousands(self.number)} devices"
        if self.total is not None:
            devices = f"{thousands(self.number)} of {thousands(self.total)} devices"
        return self.what.replace("{devices}", self.place.replace("{devices}", devices))

    @property
    def others(self) -> int:
        """The number of devices besides the three that are named without opening the line."""
        return self.number - 3

    @property
    def more(self) -> int:
        """The number of devices that are not named at all."""
        return self.number - len(self.named)


def items(
    lines: Sequence[Line], among: Among, at: Moment, moved: Sequence[int], newest: Newest | None = None
) -> list[Item]:
    """The lines in the order of `lines`, with all that the page shows; devices that are gone are left out.

    `among`: what the page is about. `moved`: primary keys of devices whose recorded links are out of date
    (`moved_ids`). `newest`: the devices of which the lines were made; without them all devices were read.
    """
    groups = [line for line in lines if line.kind != ALONE]
    devices = among.devices
    read = _read(lines, devices, at, moved)
    explained = explain_all(list(read.values()), at)
    fleets = _fleets(groups)
    shares = shared(groups, devices, fleets)
    all_of = totals(groups, devices, shares, at.at)
    numbers = lost_with(groups, among, newest or Newest(), at, moved)
    found = []
    for line in lines:
        if line.id in shares:
            number = numbers[line.id]
            follows = _next_of_many(line, number, explained)
            found.append(_group(line, shares[line.id], number, all_of.get(line.id, 0), follows, fleets))
        elif line.kind == ALONE and (device := read.get(line.lost[0].id)) and device.pk in explained:
            found.append(_alone(line, device, explained[device.pk]))
    return found


def _read(
    lines: Sequence[Line], devices: QuerySet[Device], at: Moment, moved: Sequence[int]
) -> dict[int, DeviceWithStatus]:
    """By primary key, the devices to explain: single ones, and of each group the last to fall."""
    ids = {line.lost[0].id for line in lines if line.kind == ALONE}
    ids |= {last.id for line in lines if line.kind != ALONE and (last := _last_to_fall(line))}
    annotated = with_status if moved else as_recorded
    found = annotated(devices.filter(pk__in=ids), at).select_related(
        "fleet", "organization", "mirrored__source"
    )
    return {device.pk: device for device in found} if ids else {}


def _last_to_fall(line: Line) -> Lost | None:
    """The device of a line that has only its heartbeat and will lose it last; None if there is none."""
    waiting = [
        device for device in line.lost if RANKS[device.rank] == Status.HEARTBEAT_ONLY and device.lost_at
    ]
    return max(waiting, key=lambda device: device.lost_at or 0, default=None)


def _only_read(line: Line) -> bool:
    """Whether a source tells of the heartbeat of some of these devices, so that it may end at any moment."""
    return any(RANKS[device.rank] == Status.HEARTBEAT_ONLY and not device.lost_at for device in line.lost)


def _fleets(groups: Sequence[Line]) -> Mapping[int, Fleet]:
    """By primary key, the fleets of the devices that are named, and the fleets that groups share."""
    ids = {device.fleet for line in groups for device in line.lost[:NAMED]}
    ids |= {int(line.key.split()[0]) for line in groups if line.kind in (FLEET, RELEASE)}
    return Fleet.objects.in_bulk(ids) if ids else {}


def _alone(line: Line, device: DeviceWithStatus, why: Explanation) -> Item:
    row = row_of(device)
    return Item(
        id=line.id,
        number=1,
        since=line.first,
        counts=((row.status, 1),),
        what=what_happened_to_one(line),
        next=_next_of_one(device, why),
        fleets=((row.fleet_slug, row.fleet_name),),
        fleet_number=1,
        tags=tuple(_tag_words(line.lost[:1])),
        uuids=(row.uuid,),
        row=row,
        because=why.because,
    )


def _next_of_one(device: DeviceWithStatus, why: Explanation) -> Next:
    if why.next_status and why.next_at:
        return Next("unless it reports", why.next_status, why.next_at)
    if device.stalled:
        return Next("Stays so until it makes progress")
    if device.read_from and not device.last_poll:
        return Next("Not known, since it is read every 60 s")
    return Next(f"Stays {why.status.label} until it reports")


def _next_of_many(line: Line, number: int, explained: Mapping[int, Explanation]) -> Next:
    if line.what == "progress":
        return Next("Stay so until they make progress")
    last = _last_to_fall(line)
    why = explained.get(last.id) if last else None
    if why and why.next_status and why.next_at:
        falling = line.numbers[1]
        unless = "unless it reports" if falling == 1 else "unless they report"
        return Next(unless, why.next_status, why.next_at, falling, more=bool(line.numbers[0]))
    if _only_read(line):
        return Next("Not known, since they are read every 60 s")
    status = RANKS[line.rank]
    alike = line.numbers[line.rank] == number and status
    return Next(f"Stay {status.label} until they report" if alike and status else "Stay so until they report")


def _group(
    line: Line, share: Shared, number: int, total: int, follows: Next, fleets: Mapping[int, Fleet]
) -> Item:
    named = [device for device in line.lost[:NAMED] if device.fleet in fleets]
    own = {device.fleet for device in line.lost}
    return Item(
        id=line.id,
        number=number,
        since=line.first,
        counts=tuple((status or "", n) for status, n in zip(RANKS, line.numbers, strict=False) if n),
        what=what_happened(line, number),
        next=follows,
        fleets=tuple((fleets[item].slug, fleets[item].name) for item in own & fleets.keys())[:1],
        fleet_number=len(own),
        tags=tuple(_tag_words(line.lost)),
        uuids=tuple(device.uuid for device in line.lost) if number <= TICKED else (),
        named=tuple(
            Named(device.uuid, name_of(device), device.status, fleets[device.fleet].name) for device in named
        ),
        total=max(total, number) if line.what and total <= MANY else None,
        place=share.place,
        fleet=share.fleet,
        query=(*share.query, *(("status", status.value) for status in _statuses(line, named))),
    )


def name_of(lost: Lost) -> str:
    """The name of a device, or the first seven characters of its UUID if it has none."""
    return lost.name or lost.uuid[:7]


def _tag_words(lost: Sequence[Lost]) -> Iterable[str]:
    """The first TAGS tags that all of these devices have, as "key = value" or "key"."""
    common = dict.fromkeys(tags_of(lost[0].tags))
    for written in {device.tags for device in lost}:
        held = tags_of(written)
        common = {tag: None for tag in common if tag in held}
    for tag in list(common)[:TAGS]:
        key, _, value = tag.partition("=")
        yield f"{key} = {value}" if value else key


def _statuses(line: Line, named: Iterable[Lost]) -> list[Status]:
    """The statuses that the devices of a line have, in the order of Status."""
    known = {Status(device.status) for device in named}
    worst = {status for status, n in zip(RANKS, line.numbers, strict=False) if status and n}
    return [status for status in Status if status in known | worst]
