"""Migration: devices of a source become devices of this site, with their history, notes, tags and interval.

What runs on the devices is not touched: who migrates has them report here, with keys that are imported, or
that they get when they register anew. The next sweep leaves their UUIDs alone, so it may be repeated.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction

from devices import clock, keys
from devices.clock import Moment
from devices.connectivity.adopted import adopt_links
from devices.models import ApiKey, Device, MirroredDevice, MirroredFleet
from devices.operations import batch as batch_actions
from devices.sources.fleets import by
from devices.transitions.write import settle_devices
from fleets.access import locks
from fleets.models import Fleet

BATCH: Final = 500  # devices in a transaction


class NotHere(Exception):
    """Such a fleet cannot be migrated; the text says why."""


@dataclass
class Report:
    """The UUIDs that were migrated, or would be, and those that were not with the reason."""

    migrated: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def migrate(
    *, mirrored: MirroredFleet, to: Fleet, dry_run: bool = False, at: datetime | None = None
) -> Report:
    """Have the devices of a mirrored fleet be devices of `to`, a fleet of this site, from the console.

    Raises NotHere.
    """
    if to.organization_id != mirrored.source.organization_id:
        raise NotHere(f"{to} belongs to another organization.")
    if MirroredFleet.objects.filter(fleet=to).exists():
        raise NotHere(f"{to} is read from a source. Create a fleet of this site first.")
    devices = Device.objects.filter(fleet=mirrored.fleet, mirrored__source=mirrored.source).order_by("pk")
    found = list(devices.values_list("pk", "uuid"))
    if not dry_run:
        moment = clock.moment(at)
        for start in range(0, len(found), BATCH):
            _adopt([pk for pk, _ in found[start : start + BATCH]], mirrored, to, moment)
    return Report(migrated=[uuid for _, uuid in found])


@transaction.atomic
def _adopt(ids: list[int], mirrored: MirroredFleet, to: Fleet, at: Moment) -> None:
    organization = to.organization
    locks.hold([organization.pk])
    settle_devices(ids, at)
    batch = batch_actions.Batch(ids, organization, None, at, by=by(mirrored.source))
    batch_actions.move(batch, fleet=to, vpn_enabled=bool(to.vpn_enabled))
    MirroredDevice.objects.filter(device__in=ids).delete()
    adopt_links(ids, at)


def keys_in(lines: Iterable[str]) -> Mapping[str, str]:
    """The keys by UUID of a CSV file with the columns uuid and key. Raises NotHere without these."""
    rows = csv.DictReader(lines)
    if not {"uuid", "key"} <= set(rows.fieldnames or ()):
        raise NotHere("The file of keys must have the columns uuid and key.")
    return {row["uuid"]: row["key"] for row in rows}


def import_keys(to: Fleet, report: Report, found: Mapping[str, str], at: datetime | None = None) -> int:
    """Accept these keys of devices of `to`, of which hashes alone are stored; returns how many are accepted.

    The report says which are not. Repeating it changes nothing.
    """
    at, accepted = at or clock.now(), 0
    for device in Device.objects.filter(uuid__in=found, fleet=to).select_related("organization", "fleet"):
        key = found[device.uuid]
        try:
            holder = keys.find(key, ApiKey.Kind.DEVICE, at)
            if holder is None or holder.device_id != device.pk:
                keys.keep_device_key(device, key, at=at)
            accepted += 1
        except (keys.Guessable, keys.KeyTaken, keys.TooMany) as error:
            report.left[device.uuid] = str(error)
    return accepted
