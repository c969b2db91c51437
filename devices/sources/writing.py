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
from typing import Final, TypeVar

from django.db import transaction

from devices import freezing
from devices.clock import Moment
from devices.connectivity.mirrored import BACK, MirroredLinks, record_mirrored
from devices.history import rollups
from devices.models import UUID_PATTERN, Device, Source
from devices.operations import batch as batch_actions
from devices.sources import creating, differences, facts, fleets
from devices.sources.answers import RemoteDevice
from devices.sources.differences import Difference, Row
from devices.sources.facts import LinkFacts
from devices.sources.reading import Ended, Quick, Whole
from devices.transitions.write import settle_devices
from fleets.access import locks
from fleets.models import Fleet

BATCH: Final = 500  # devices in a transaction
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


def write_quick(sweep: Sweep, read: Quick) -> Written:
    """Write the links and the progress of the devices that are mirrored already."""
    rows = {row["mirrored__remote_id"]: row for row in differences.here(sweep.source)}
    found = (
        differences.of_links(rows[device.id], device, facts.links(device, read.ended), sweep.at)
        for device in read.devices
        if device.id in rows
    )
    return Written(changed=_write(sweep, found, {row["pk"]: row for row in rows.values()}))


def write_whole(sweep: Sweep, read: Whole) -> Written:
    """Write everything that a whole sweep read, and delete what it did not find."""
    mirroring = fleets.write(sweep.source, read.applications.values(), sweep.at)
    rows = {row["uuid"]: row for row in differences.here(sweep.source)}
    theirs = {device.uuid: device for device in read.devices}
    refused = _not_ours(theirs, rows)
    moved = _move(sweep, theirs, rows, mirroring)
    known = (device for uuid, device in theirs.items() if uuid in rows)
    changed = _write(
        sweep,
        (_difference(sweep, rows[device.uuid], device, read.ended, mirroring) for device in known),
        {row["pk"]: row for row in rows.values()},
    )
    new = [device for uuid, device in theirs.items() if uuid not in rows and uuid not in refused]
    _create(sweep, new, read.ended, mirroring)
    gone = [row for uuid, row in rows.items() if uuid not in theirs]
    # Not those that registered through the relay while the source was read.
    deleted = _delete(sweep, [row["pk"] for row in gone if row["created_at"] < sweep.read_from])
    fleets.drop_gone(sweep.source, list(read.applications), sweep.at)
    return Written(len(new), changed, moved, deleted, sorted(refused))


def _difference(
    sweep: Sweep, row: Row, device: RemoteDevice, ended: Mapping[int, Ended], mirroring: Mapping[int, Fleet]
) -> Difference:
    fleet, links = mirroring[device.belongs_to__application.id], facts.links(device, ended)
    return differences.of_all(row, device, links, (fleet, sweep.source), sweep.at)


def _not_ours(theirs: Mapping[str, RemoteDevice], rows: Mapping[str, Row]) -> set[str]:
    """The UUIDs there that cannot be mirrored: of devices of this site, and those that are no UUIDs here."""
    new = [uuid for uuid in theirs if uuid not in rows]
    taken = Device.objects.filter(uuid__in=new).values_list("uuid", flat=True)
    return {*taken, *(uuid for uuid in new if not re.fullmatch(UUID_PATTERN, uuid))}


def _write(sweep: Sweep, found: Iterable[Difference], rows: Mapping[int, Row]) -> int:
    """Write the differences; returns how many devices differ."""
    differ = [each for each in found if each.columns or each.links or each.words]
    for batch in _batches(differ):
        with transaction.atomic():
            locks.hold([sweep.source.organization_id])
            settle_devices([each.device for each in batch], sweep.at)
            differences.write(batch, rows, sweep.at)
            links = [_links(each.device, each.links) for each in batch if each.links]
            record_mirrored(links, sweep.read_from, sweep.at)
            _refreeze(sweep, batch)
    return len(differ)


def _links(device: int, links: LinkFacts) -> MirroredLinks:
    return MirroredLinks(device, links.heartbeat, links.heartbeat_at, links.vpn, links.vpn_at, links.silent)


def _refreeze(sweep: Sweep, batch: Sequence[Difference]) -> None:
    """Apply the rule for the allowance, where devices became active or inactive there."""
    ids = [each.device for each in batch if each.columns and "is_active" in each.columns]
    if ids:
        freezing.refreeze(sweep.source.organization_id, sweep.at, ids)


def _create(
    sweep: Sweep, new: Sequence[RemoteDevice], ended: Mapping[int, Ended], mirroring: Mapping[int, Fleet]
) -> None:
    begins = sweep.at.at
    for batch in _batches(new):
        found = [
            (device, facts.links(device, ended), mirroring[device.belongs_to__application.id])
            for device in batch
        ]
        begins = min(begins, creating.create(sweep.source, found, sweep.at))
    if begins < sweep.at.at - BACK:
        rollups.rebuild(sweep.at)


def _move(
    sweep: Sweep,
    theirs: Mapping[str, RemoteDevice],
    rows: Mapping[str, Row],
    mirroring: Mapping[int, Fleet],
) -> int:
    """Move devices to the fleets in which they are there; returns how many."""
    going: dict[Fleet, list[int]] = {}
    for uuid, row in rows.items():
        if uuid in theirs:
            fleet = mirroring[theirs[uuid].belongs_to__application.id]
            if row["fleet_id"] != fleet.pk:
                going.setdefault(fleet, []).append(row["pk"])
    for fleet, ids in going.items():
        for batch in _batches(ids):
            with _held(sweep, batch) as held:
                batch_actions.move(held, fleet=fleet, vpn_enabled=bool(fleet.vpn_enabled))
    return sum(map(len, going.values()))


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


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
