"""Writing what a sweep read: devices that came, changed, moved and went, by batches.

Each batch is a transaction, and all of it was read before the first one begins. A sweep that was killed has
written some batches; the next one compares again, and writes what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from django.db import transaction

from devices import freezing
from devices.clock import Moment
from devices.connectivity.mirrored import BACK, MirroredLinks, record_mirrored
from devices.history import rollups
from devices.models import UUID_PATTERN, Device, Source
from devices.operations import batch as batch_actions
from devices.sources import creating, differences, facts, fleets
from devices.sources.answers import RemoteDevice
from devices.sources.differences import Difference
from devices.sources.facts import LinkFacts
from devices.sources.reading import Ended, Quick, Whole
from devices.transitions.write import settle_devices
from fleets.access import locks
from fleets.models import Fleet

BATCH: Final = 200  # devices in a transaction; more of them take memory
Item = TypeVar("Item")


@dataclass(frozen=True)
class Written:
    """How many devices a sweep created, changed, moved and deleted, and the UUIDs that it left alone."""

    created: int = 0
    changed: int = 0
    moved: int = 0
    deleted: int = 0
    refused: Sequence[str] = ()


@dataclass(frozen=True)
class Sweep:
    """The source that is written, since when it was read, and when it is written."""

    source: Source
    read_from: datetime
    at: Moment


class Place(NamedTuple):
    """Where a device is there: its id, and that of its fleet."""

    device: int
    fleet: int


class Mine(NamedTuple):
    """A device here, of those that mirror the source: its primary key, and its fleet."""

    pk: int
    fleet: int


def write_quick(sweep: Sweep, read: Quick) -> Written:
    """Write the links and the progress of the devices that are mirrored already."""
    return Written(changed=_write(sweep, _quick_differences(sweep, read)))


def _quick_differences(sweep: Sweep, read: Quick) -> Iterator[Difference]:
    for page in read.pages:
        found = differences.here(sweep.source, mirrored__remote_id__in=[device.id for device in page])
        rows = {row["mirrored__remote_id"]: row for row in found}
        for device in page:
            if row := rows.get(device.id):
                yield differences.of_links(row, device, facts.links(device, read.ended), sweep.at)


def write_whole(sweep: Sweep, read: Whole) -> Written:
    """Write everything that a whole sweep read, and delete what it did not find."""
    mirroring = fleets.write(sweep.source, read.applications.values(), sweep.at)
    mine, theirs = _mine(sweep.source), _places(read)
    refused = _not_ours(theirs, mine)
    moved = _move(sweep, theirs, mine, mirroring)
    devices = (each for each in read.devices() if each.uuid in mine and theirs[each.uuid].device == each.id)
    changed = _write(sweep, _differences(sweep, devices, read.ended, mirroring))
    known = mine.keys() | refused
    new = (each for each in read.devices() if each.uuid not in known and theirs[each.uuid].device == each.id)
    created = _create(sweep, new, read.ended, mirroring)
    gone = [device.pk for uuid, device in mine.items() if uuid not in theirs]
    deleted = _delete(sweep, _before(sweep.read_from, gone))
    fleets.drop_gone(sweep.source, list(read.applications), sweep.at)
    return Written(created, changed, moved, deleted, sorted(refused))


def _mine(source: Source) -> dict[str, Mine]:
    """The devices here that mirror the source, by UUID."""
    rows = Device.objects.filter(mirrored__source=source).order_by("pk")
    return {uuid: Mine(pk, fleet) for uuid, pk, fleet in rows.values_list("uuid", "pk", "fleet_id")}


def _places(read: Whole) -> dict[str, Place]:
    """Where each device is there, by UUID; of two, as it came anew meanwhile, the later place."""
    return {device.uuid: Place(device.id, device.belongs_to__application.id) for device in read.devices()}


def _differences(
    sweep: Sweep,
    devices: Iterable[RemoteDevice],
    ended: Mapping[int, Ended],
    mirroring: Mapping[int, Fleet],
) -> Iterator[Difference]:
    for batch in _batches(devices):
        found = differences.here(sweep.source, uuid__in=[device.uuid for device in batch])
        rows = {row["uuid"]: row for row in found}
        for device in batch:
            if row := rows.get(device.uuid):
                where = (mirroring[device.belongs_to__application.id], sweep.source)
                yield differences.of_all(row, device, facts.links(device, ended), where, sweep.at)


def _not_ours(theirs: Mapping[str, Place], mine: Mapping[str, Mine]) -> set[str]:
    """The UUIDs there that cannot be mirrored: of devices of this site, and those that are no UUIDs here."""
    new = [uuid for uuid in theirs if uuid not in mine]
    taken = Device.objects.filter(uuid__in=new).values_list("uuid", flat=True)
    return {*taken, *(uuid for uuid in new if not re.fullmatch(UUID_PATTERN, uuid))}


def _write(sweep: Sweep, found: Iterable[Difference]) -> int:
    """Write the differences; returns how many devices differ."""
    written = 0
    for batch in _batches(filter(None, found)):
        with transaction.atomic():
            locks.hold([sweep.source.organization_id])
            settle_devices([each.device for each in batch], sweep.at)
            differences.write(batch, sweep.at)
            links = [_links(each.device, each.links) for each in batch if each.links]
            record_mirrored(links, sweep.read_from, sweep.at)
            _refreeze(sweep, batch)
        written += len(batch)
    return written


def _links(device: int, links: LinkFacts) -> MirroredLinks:
    return MirroredLinks(device, links.heartbeat, links.heartbeat_at, links.vpn, links.vpn_at, links.silent)


def _refreeze(sweep: Sweep, batch: Sequence[Difference]) -> None:
    """Apply the rule for the allowance, where devices became active or inactive there."""
    ids = [each.device for each in batch if each.columns and "is_active" in each.columns]
    if ids:
        freezing.refreeze(sweep.source.organization_id, sweep.at, ids)


def _create(
    sweep: Sweep, new: Iterable[RemoteDevice], ended: Mapping[int, Ended], mirroring: Mapping[int, Fleet]
) -> int:
    """Create these devices; returns how many."""
    begins, created = sweep.at.at, 0
    for batch in _batches(new):
        found = [
            (device, facts.links(device, ended), mirroring[device.belongs_to__application.id])
            for device in batch
        ]
        begins = min(begins, creating.create(sweep.source, found, sweep.at))
        created += len(batch)
    if begins < sweep.at.at - BACK:
        rollups.rebuild(sweep.at)
    return created


def _move(
    sweep: Sweep, theirs: Mapping[str, Place], mine: Mapping[str, Mine], mirroring: Mapping[int, Fleet]
) -> int:
    """Move devices to the fleets in which they are there; returns how many."""
    going: dict[Fleet, list[int]] = {}
    for uuid in theirs.keys() & mine.keys():
        fleet, device = mirroring[theirs[uuid].fleet], mine[uuid]
        if device.fleet != fleet.pk:
            going.setdefault(fleet, []).append(device.pk)
    for fleet, ids in going.items():
        for batch in _batches(ids):
            with _held(sweep, batch) as held:
                batch_actions.move(held, fleet=fleet, vpn_enabled=bool(fleet.vpn_enabled))
    return sum(map(len, going.values()))


def _before(moment: datetime, ids: Sequence[int]) -> list[int]:
    """Those of these devices that did not register through the relay while the source was read."""
    rows = Device.objects.filter(pk__in=ids, created_at__lt=moment).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _delete(sweep: Sweep, ids: Sequence[int]) -> int:
    for batch in _batches(ids):
        with _held(sweep, batch) as held:
            batch_actions.delete(held)
    return len(ids)


@contextmanager
def _held(sweep: Sweep, ids: Sequence[int]) -> Iterator[batch_actions.Batch]:
    """A transaction that has locked these devices and their organization, and settled them."""
    organization = sweep.source.organization
    with transaction.atomic():
        locks.hold([organization.pk])
        settle_devices(ids, sweep.at)
        yield batch_actions.Batch(list(ids), organization, None, sweep.at, by=fleets.by(sweep.source))


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    following = iter(items)
    while batch := list(islice(following, BATCH)):
        yield batch
