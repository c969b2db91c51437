"""Editing what people set for a device: its name, notes, tags and poll interval.

No status is computed from these. A poll interval is in force from the device's next poll on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock
from devices.clock import Moment
from devices.keys import mirrored
from devices.models import Device
from devices.operations import batch as batch_actions
from fleets.access import roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Role

if TYPE_CHECKING:
    from fleets.actor import Actor

EDITABLE: Final = ("name", "notes", "tags", "poll_interval")
THEIRS: Final = ("name", "poll_interval")  # those that the source of a device sets


@transaction.atomic
def edit(
    *,
    device: Device,
    actor: Actor | None,
    field: str,
    value: Any,
    seen: str | None = None,
    at: datetime | Moment | None = None,
) -> bool:
    """Set a field, one of EDITABLE, to a valid value. False: it had this value already.

    `seen` is the `version` of the value that the person saw. Raises PermissionDenied, ChangedMeanwhile, and
    Device.DoesNotExist where the device was deleted meanwhile.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    if field in THEIRS:
        mirrored.require_own(device.pk)
    before = _held(device, field)
    if seen is not None and seen != version(before) and before != value:
        raise ChangedMeanwhile(device, before)
    batch = batch_actions.Batch([device.pk], device.organization, actor, clock.moment(at))
    return batch_actions.edit(batch, field=field, value=value)[device.pk] == batch_actions.CHANGED


@transaction.atomic
def retag(
    *,
    device: Device,
    actor: Actor | None,
    put: Mapping[str, str],
    drop: Collection[str] = (),
    at: datetime | Moment | None = None,
) -> bool:
    """Set the tags in `put`, remove those whose names are in `drop`, keep all others. False: no change.

    Raises PermissionDenied, and Device.DoesNotExist where the device was deleted meanwhile.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    _held(device, "tags")
    batch = batch_actions.Batch([device.pk], device.organization, actor, clock.moment(at))
    return batch_actions.retag(batch, put=put, drop=drop)[device.pk] == batch_actions.CHANGED


def _held(device: Device, field: str) -> Any:
    """The present value of a field, with the device locked."""
    held = Device.objects.select_for_update(no_key=True).filter(pk=device.pk)
    return held.values_list(field, flat=True).get()
