"""Devices that a sweep found for the first time.

Their history begins when the present state of their links did, by the source's dates: so what has been lost
there for weeks does not seem to be lost now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import transaction

from devices import freezing
from devices.clock import Moment
from devices.history.retention import cut_at
from devices.models import Device, MirroredDevice, Source
from devices.rules.vocabulary import HeartbeatState
from devices.sources import facts
from devices.sources.answers import RemoteDevice
from devices.sources.client import Failed
from devices.sources.facts import LinkFacts
from fleets.access import locks
from fleets.models import Fleet
from fleets.postgres.unique import unique_violation

STATEMENT: Final = 100  # devices in one: each has 60 columns, and its text takes memory
Found = tuple[RemoteDevice, LinkFacts, Fleet]


@transaction.atomic
def create(source: Source, found: Sequence[Found], at: Moment) -> datetime:
    """Create a batch of devices of one source; returns when the history of the oldest one begins.

    Raises Failed where a UUID of theirs came to this site meanwhile.
    """
    locks.hold([source.organization_id])
    devices = [_device(source, row, links, fleet, at) for row, links, fleet in found]
    with unique_violation(lambda _: Failed("A device of this site took a UUID meanwhile.")):
        made = Device.objects.bulk_create(devices, STATEMENT)
    MirroredDevice.objects.bulk_create(
        MirroredDevice(
            device=device,
            source=source,
            remote_id=row.id,
            status=facts.text(row.overall_status)[:50],
            note=device.notes,
            tags=device.tags,
        )
        for device, (row, _, _) in zip(made, found, strict=True)
    )
    freezing.refreeze(source.organization_id, at, [device.pk for device in made])
    return min(device.created_at for device in made)


def _device(source: Source, row: RemoteDevice, links: LinkFacts, fleet: Fleet, at: Moment) -> Device:
    columns = facts.described(row) | facts.progress(row)
    begins = _begins(row, links, columns, at)
    active, used = row.is_active is not False, columns["vpn_setting"]
    ever = links.heartbeat != HeartbeatState.UNKNOWN
    connected_at = links.vpn_at or (begins if links.vpn else None)
    spoke = [moment for moment in (links.heartbeat_at, connected_at) if moment]
    return Device(
        organization_id=source.organization_id,
        fleet=fleet,
        uuid=row.uuid,
        created_at=begins,
        is_active=active,
        activated_at=_past(row.created_at, at) if active else None,
        provisioned_at=_past(row.created_at, at) if facts.was_provisioned(row) else None,
        heartbeat_state=links.heartbeat,
        heartbeat_changed_at=_past(links.heartbeat_at, at) if ever else None,
        vpn_connected=links.vpn,
        vpn_changed_at=_past(connected_at, at) if connected_at else None,
        vpn_enabled=bool(fleet.vpn_enabled) if used is None else used,
        first_contact_at=_past(min(spoke), at) if spoke else None,
        last_contact_at=_past(max(spoke), at) if spoke else None,
        progress_changed_at=at.at if _under_way(columns) else None,
        metrics_at=at.at if columns["metrics"] else None,
        poll_interval=facts.interval(row.device_config_variable, source.poll_interval),
        notes=facts.note(row),
        tags=facts.tags(row),
        facts_at=begins,
        facts_reason={"slug": "mirrored"},
        **columns,
    )


def _begins(row: RemoteDevice, links: LinkFacts, columns: dict[str, object], at: Moment) -> datetime:
    """When the device's history begins: not before those of the site, nor in the future."""
    known = [moment for moment in (links.heartbeat_at, links.vpn_at) if moment] or [row.created_at or at.at]
    return at.at if _under_way(columns) else max(_past(max(known), at), cut_at(at.at))


def _under_way(columns: dict[str, object]) -> bool:
    return columns["update_progress"] is not None or columns["provisioning_progress"] is not None


def _past(moment: datetime | None, at: Moment) -> datetime:
    return at.at if moment is None else min(moment, at.at)
