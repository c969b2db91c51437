"""The lines of the Attention page: what happened and why, what follows, where, and to which devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from dashboard.pages.attention.item import Item, Named, Next, Single
from dashboard.pages.attention.kept_items import KeptItems, Wanted
from devices.clock import Moment
from devices.listing.among import Among
from devices.listing.grouping import ALONE, FLEET, NAMED, RELEASE, Line, Lost
from devices.listing.line_sentences import what_happened, what_happened_to_one
from devices.listing.line_shares import MANY, Shared, shared, totals
from devices.listing.lost_tags import tags_of
from devices.listing.lost_with import lost_with
from devices.listing.trouble import Newest
from devices.rules.vocabulary import RANKS, Status
from devices.status.annotated import DeviceWithStatus
from devices.status.explanation import Explanation, explain_all
from devices.status.reading import UNLISTED, as_recorded, with_status
from fleets.audit.newest import newest_entries
from fleets.models import Fleet
from fleets.postgres.listener import LISTENER

TICKED: Final = 100  # a line with more devices has no checkbox: they are selected in the list of devices
Fleets = Mapping[int, tuple[str, str]]  # slug and name by primary key
TAGS: Final = 2  # tags of a line that are shown as its place


Made = tuple[Item, Shared | None]  # an item, and what its devices share if it is a group
KEPT_ITEMS: Final = KeptItems[Made]()


def items(
    lines: Sequence[Line], among: Among, at: Moment, moved: Sequence[int], newest: Newest | None = None
) -> list[Item]:
    """The lines in the order of `lines`, with all that the page shows; devices that are gone are left out.

    `among`: what the page is about. `moved`: primary keys of devices whose recorded links are out of date
    (`moved_ids`). `newest`: the devices of which the lines were made; without them all devices were read.
    """
    newest, settings = newest or Newest(), None
    if LISTENER.listens and not moved:
        settings = newest_entries([organization.pk for organization in among.organizations])
    groups = [line for line in lines if line.kind != ALONE]
    numbers = lost_with(groups, among, newest, at, moved, settings)
    wanted = [Wanted(line, numbers.get(line.id, 1), settings, _version(line, newest)) for line in lines]
    made = KEPT_ITEMS.made(wanted, at.at, partial(_made, among=among, at=at, moved=moved))
    shares = {line: share for line, (_, share) in made.items() if share}
    all_of = totals(groups, among.devices, shares, at.at)
    found = ((made[line.id], all_of.get(line.id, 0), line.what) for line in lines if line.id in made)
    return [_of_all(item, total) if share and what else item for (item, share), total, what in found]


def _of_all(item: Item, total: int) -> Item:
    """A group with the number of devices that share it, lost or not, unless these are very many."""
    return replace(item, total=max(total, item.number)) if total <= MANY else item


def _version(line: Line, newest: Newest) -> str:
    """The version of the row that is read for a line; empty if none is."""
    device = line.lost[0] if line.kind == ALONE else _last_to_fall(line)
    return newest.version_of.get(device.id, "") if device else ""


def _made(wanted: Sequence[Wanted], among: Among, at: Moment, moved: Sequence[int]) -> dict[str, Made]:
    """The items of these lines, by the ids of these, and what those share that are groups."""
    lines = [each.line for each in wanted]
    groups = [line for line in lines if line.kind != ALONE]
    read = _read(lines, among, at, moved)
    explained = explain_all(list(read.values()), at)
    fleets, shares = _fleets(groups), shared(groups, among.devices, _shared_fleets(groups))
    found: dict[str, Made] = {}
    for line, number in ((each.line, each.number) for each in wanted):
        if line.id in shares:
            follows = _next_of_many(line, number, explained)
            found[line.id] = _group(line, shares[line.id], number, follows, fleets), shares[line.id]
        elif line.kind == ALONE and (device := read.get(line.lost[0].id)) and device.pk in explained:
            found[line.id] = _alone(line, device, explained[device.pk]), None
    return found


def _read(
    lines: Sequence[Line], among: Among, at: Moment, moved: Sequence[int]
) -> dict[int, DeviceWithStatus]:
    """By primary key, the devices to explain: single ones, and of each group the last to fall."""
    ids = {line.lost[0].id for line in lines if line.kind == ALONE}
    ids |= {last.id for line in lines if line.kind != ALONE and (last := _last_to_fall(line))}
    if not ids:
        return {}
    annotated = with_status if moved else as_recorded
    found = annotated(among.devices.filter(pk__in=ids).order_by(), at).defer(*UNLISTED)
    organizations = {organization.pk: organization for organization in among.organizations}
    devices = {device.pk: device for device in found.select_related("fleet", "mirrored__source")}
    for device in devices.values():
        device.organization = organizations[device.organization_id]
    return devices


def _last_to_fall(line: Line) -> Lost | None:
    """The device of a line that has only its heartbeat and will lose it last; None if there is none."""
    waiting = [
        device for device in line.lost if RANKS[device.rank] == Status.HEARTBEAT_ONLY and device.lost_at
    ]
    return max(waiting, key=lambda device: device.lost_at or 0, default=None)


def _only_read(line: Line) -> bool:
    """Whether a source tells of the heartbeat of some of these devices, so that it may end at any moment."""
    return any(RANKS[device.rank] == Status.HEARTBEAT_ONLY and not device.lost_at for device in line.lost)


def _fleets(groups: Sequence[Line]) -> Fleets:
    """The fleets of the devices that are named."""
    ids = {device.fleet for line in groups for device in line.lost[:NAMED]}
    found = Fleet.objects.filter(pk__in=ids).order_by().values_list("pk", "slug", "name") if ids else ()
    return {pk: (slug, name) for pk, slug, name in found}


def _shared_fleets(groups: Sequence[Line]) -> Mapping[int, Fleet]:
    """By primary key, the fleets that groups share."""
    ids = {int(line.key.split()[0]) for line in groups if line.kind in (FLEET, RELEASE)}
    return Fleet.objects.in_bulk(ids) if ids else {}


def _alone(line: Line, device: DeviceWithStatus, why: Explanation) -> Item:
    return Item(
        id=line.id,
        number=1,
        since=line.first,
        counts=((device.status, 1),),
        what=what_happened_to_one(line),
        next=_next_of_one(device, why),
        fleets=((device.fleet.slug, device.fleet.name),),
        fleet_number=1,
        tags=tuple(_tag_words(line.lost[:1])),
        uuids=(device.uuid,),
        row=Single(
            uuid=device.uuid,
            name=device.name or device.short_uuid,
            status=device.status,
            stalled_since=device.progress_changed_at if device.stalled else None,
            public_address=device.public_address,
        ),
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


def _group(line: Line, share: Shared, number: int, follows: Next, fleets: Fleets) -> Item:
    named = [device for device in line.lost[:NAMED] if device.fleet in fleets]
    own = {device.fleet for device in line.lost}
    return Item(
        id=line.id,
        number=number,
        since=line.first,
        counts=tuple((status or "", n) for status, n in zip(RANKS, line.numbers, strict=False) if n),
        what=what_happened(line, number),
        next=follows,
        fleets=tuple(fleets[item] for item in own & fleets.keys())[:1],
        fleet_number=len(own),
        tags=tuple(_tag_words(line.lost)),
        uuids=tuple(device.uuid for device in line.lost) if number <= TICKED else (),
        named=tuple(
            Named(device.uuid, name_of(device), device.status, fleets[device.fleet][1]) for device in named
        ),
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
