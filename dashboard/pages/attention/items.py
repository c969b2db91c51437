"""What the Attention page says of each line: what happened and why, what comes next, where, which devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from dashboard.pages.parts.device_row import Row, row_of
from devices.clock import Moment
from devices.listing.grouping import ALONE, FLEET, NAMED, RELEASE, Line, Lost, tags_of
from devices.listing.line_sentences import what_happened, what_happened_to_one
from devices.listing.line_shares import MANY, Shared, lost_with, shared, totals
from devices.models import Device
from devices.rules.vocabulary import RANKS, Status
from devices.status.annotated import DeviceWithStatus
from devices.status.explanation import Explanation, explain_all
from devices.status.reading import as_recorded, with_status
from devices.words import thousands
from fleets.models import Fleet

TICKED: Final = 100  # devices of a line that has a tick; more are chosen in the list of devices
TAGS: Final = 2  # that say where the devices of a line are


@dataclass(frozen=True)
class Named:
    """A device of a line, by its name."""

    uuid: str
    name: str
    status: str
    fleet_name: str


@dataclass(frozen=True)
class Next:
    """What the clock brings if nobody reports: a status at a time, to so many; else how long it stays so.

    `more`: others of the line have that status already.
    """

    words: str
    status: str = ""
    at: datetime | None = None
    number: int = 1
    more: bool = False


@dataclass(frozen=True)
class Item:
    """A line as it is shown: devices lost together, or one device alone, which is `row`.

    `place` names {devices} by what they share, `what` is the sentence about them, `fleet` and `query` say
    where the list of them all is: of one fleet, or of all. `uuids`: of those that a tick means.
    """

    id: str
    number: int
    since: datetime
    counts: tuple[tuple[str, int], ...]  # by status; of none: stalled
    what: str
    next: Next
    fleets: tuple[tuple[str, str], ...]  # slug and name, of those that are named
    fleet_number: int
    tags: tuple[str, ...]  # that all its devices have
    uuids: tuple[str, ...] = ()
    row: Row | None = None
    because: str = ""
    named: tuple[Named, ...] = ()
    of: int | None = None  # devices that share it; None: very many
    place: str = ""
    fleet: str = ""
    query: tuple[tuple[str, str], ...] = ()

    @property
    def said(self) -> str:
        """The sentence about its devices."""
        if self.row:
            return f"{self.row.name} {self.what}"
        devices = f"{thousands(self.number)} devices"
        if self.of is not None:
            devices = f"{thousands(self.number)} of {thousands(self.of)} devices"
        return self.what.replace("{devices}", self.place.replace("{devices}", devices))

    @property
    def others(self) -> int:
        """Devices besides the three that are named at once."""
        return self.number - 3

    @property
    def more(self) -> int:
        """Devices that are not named."""
        return self.number - len(self.named)


def items(
    lines: Sequence[Line],
    devices: QuerySet[Device],
    at: Moment,
    moved: Sequence[int],
    oldest: datetime | None = None,
) -> list[Item]:
    """These lines with everything that is said of them; `devices` are those that the page is about.

    `oldest`: where more need attention than were looked at, when the status of the oldest of these changed.
    """
    groups = [line for line in lines if line.kind != ALONE]
    read = _read(lines, devices, at, moved)
    explained = explain_all(list(read.values()), at)
    fleets = _fleets(groups)
    shares = shared(groups, devices, fleets)
    of, numbers = totals(groups, devices, shares, at.at), lost_with(groups, devices, oldest)
    found = []
    for line in lines:
        if line.id in shares:
            number = max(line.number, numbers.get(line.id, 0))
            comes = _next_of_many(line, number, explained)
            found.append(_group(line, shares[line.id], number, of.get(line.id, 0), comes, fleets))
        elif line.kind == ALONE and (device := read.get(line.lost[0].id)) and device.pk in explained:
            found.append(_alone(line, device, explained[device.pk]))
    return found


def _read(
    lines: Sequence[Line], devices: QuerySet[Device], at: Moment, moved: Sequence[int]
) -> dict[int, DeviceWithStatus]:
    """The devices of which something is said by itself: those alone, and of a group the last to fall."""
    wanted = {line.lost[0].id for line in lines if line.kind == ALONE}
    wanted |= {last.id for line in lines if line.kind != ALONE and (last := _last_to_fall(line))}
    annotated = with_status if moved else as_recorded
    found = annotated(devices.filter(pk__in=wanted), at).select_related("fleet", "organization")
    return {device.pk: device for device in found} if wanted else {}


def _last_to_fall(line: Line) -> Lost | None:
    """The one with only its heartbeat whose heartbeat is lost last."""
    waiting = [
        device for device in line.lost if RANKS[device.rank] == Status.HEARTBEAT_ONLY and device.lost_at
    ]
    return max(waiting, key=lambda device: device.lost_at or 0, default=None)


def _fleets(groups: Sequence[Line]) -> Mapping[int, Fleet]:
    """The fleets of the devices that are named, and those that groups share."""
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
        next=_next_of_one(why, stalled=device.stalled),
        fleets=((row.fleet_slug, row.fleet_name),),
        fleet_number=1,
        tags=tuple(_tag_words(line.lost[:1])),
        uuids=(row.uuid,),
        row=row,
        because=why.because,
    )


def _next_of_one(why: Explanation, *, stalled: bool) -> Next:
    if why.next_status and why.next_at:
        return Next("unless it reports", why.next_status, why.next_at)
    if stalled:
        return Next("Stays so until it makes progress")
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
    status = RANKS[line.rank]
    alike = line.numbers[line.rank] == number and status
    return Next(f"Stay {status.label} until they report" if alike and status else "Stay so until they report")


def _group(
    line: Line, share: Shared, number: int, total: int, comes: Next, fleets: Mapping[int, Fleet]
) -> Item:
    named = [device for device in line.lost[:NAMED] if device.fleet in fleets]
    own = {device.fleet for device in line.lost}
    return Item(
        id=line.id,
        number=number,
        since=line.first,
        counts=tuple((status or "", n) for status, n in zip(RANKS, line.numbers, strict=False) if n),
        what=what_happened(line, number),
        next=comes,
        fleets=tuple((fleets[item].slug, fleets[item].name) for item in own & fleets.keys())[:1],
        fleet_number=len(own),
        tags=tuple(_tag_words(line.lost)),
        uuids=tuple(device.uuid for device in line.lost) if number <= TICKED else (),
        named=tuple(
            Named(device.uuid, name_of(device), device.status, fleets[device.fleet].name) for device in named
        ),
        of=max(total, number) if line.what and total <= MANY else None,
        place=share.place,
        fleet=share.fleet,
        query=(*share.query, *(("status", status.value) for status in _statuses(line, named))),
    )


def name_of(lost: Lost) -> str:
    """Its name; without one, the beginning of its UUID."""
    return lost.name or lost.uuid[:7]


def _tag_words(lost: Sequence[Lost]) -> Iterable[str]:
    """The first tags that all of these have, as they read."""
    common = dict.fromkeys(tags_of(lost[0].tags))
    for written in {device.tags for device in lost}:
        held = tags_of(written)
        common = {tag: None for tag in common if tag in held}
    for tag in list(common)[:TAGS]:
        key, _, value = tag.partition("=")
        yield f"{key} = {value}" if value else key


def _statuses(line: Line, named: Iterable[Lost]) -> list[Status]:
    """The statuses that its devices have, for the list that shows them."""
    known = {Status(status.status) for status in named}
    worst = {status for status, n in zip(RANKS, line.numbers, strict=False) if status and n}
    return [status for status in Status if status in known | worst]
