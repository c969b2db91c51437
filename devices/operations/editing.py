"""What people say of a device: its name, notes, tags and poll interval.

None of it is a fact that a status is computed from: a poll interval counts from the device's next poll on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock
from devices.clock import Moment
from devices.models import Device
from devices.operations import batch as batch_actions
from fleets.access import roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Role

if TYPE_CHECKING:
    from fleets.actor import Actor

EDITABLE: Final = ("name", "notes", "tags", "poll_interval")


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
    """Set one of EDITABLE to a valid value (a form's). False: it was so already.

    `seen` is the `version` that the value was made up from. Raises PermissionDenied, ChangedMeanwhile, and
    Device.DoesNotExist where it was deleted meanwhile.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
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
    """Add or overwrite the tags `put`, take those named in `drop` away, keep all others. False: no change.

    Raises PermissionDenied, and Device.DoesNotExist where it was deleted meanwhile.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    _held(device, "tags")
    batch = batch_actions.Batch([device.pk], device.organization, actor, clock.moment(at))
    return batch_actions.retag(batch, put=put, drop=drop)[device.pk] == batch_actions.CHANGED


def _held(device: Device, field: str) -> Any:
    """The value as it is, which nobody changes until the transaction ends."""
    held = Device.objects.select_for_update(no_key=True).filter(pk=device.pk)
    return held.values_list(field, flat=True).get()
