"""The keys of devices that were made from a list: made when they are handed out, which is once.

No key is stored, so none waits anywhere to be fetched, and a second file cannot be had. A key that got lost
is replaced on its device's page.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.db import transaction

from devices import clock, keys
from devices.models import ApiKey, Device, DeviceList, Job, JobResult
from fleets import audit, roles
from fleets.many import insert_alike
from fleets.models import Role

if TYPE_CHECKING:
    from dashboard.models import User
    from fleets.models import Organization

COLUMNS: Final = ("uuid", "name", "key", "remark")
HAS_ONE: Final = "has a key already"


class HandedOut(Exception):
    """The keys of this list were handed out already, or its devices are not made."""


@dataclass(frozen=True)
class Keyed:
    """A device and its new key; none where it has one already."""

    uuid: str
    name: str
    key: str
    remark: str


@transaction.atomic
def hand_out(*, listed: DeviceList, actor: User, at: datetime | None = None) -> list[Keyed]:
    """Make the keys of the list's devices, for the one file that tells them.

    Raises PermissionDenied, HandedOut.
    """
    roles.require(actor, Role.OPERATOR, listed.organization)
    at = at or clock.now()
    open_list = DeviceList.objects.filter(pk=listed.pk, job__state=Job.State.DONE, keys_at=None)
    if not open_list.update(keys_at=at, keys_by_name=actor.get_username()):
        raise HandedOut(f"The keys of {listed} were handed out already.")
    made = JobResult.objects.filter(job=listed.job_id).values("device_id")
    held = Device.objects.select_for_update(no_key=True, of=["self"]).filter(pk__in=made)
    devices = list(held.order_by("pk").only("uuid", "name", "organization"))
    keyed = make(devices, at)
    record(listed.organization, listed.file_name, keyed, actor, at, job=str(listed.job and listed.job.uuid))
    return keyed


@transaction.atomic
def make(devices: Sequence[Device], at: datetime) -> list[Keyed]:
    """A key for each of these devices of one organization that has none.

    The caller holds them, and writes the audit log.
    """
    ids = [device.pk for device in devices]
    has = set(keys.live_keys(ApiKey.Kind.DEVICE, at).filter(device__in=ids).values_list("device", flat=True))
    new = {device.pk: secrets.token_hex(32) for device in devices if device.pk not in has}
    if new:
        first = devices[0]
        alike = ApiKey(kind=ApiKey.Kind.DEVICE, organization_id=first.organization_id, created_at=at)
        digests = [keys.digests(key)[0] for key in new.values()]
        insert_alike(alike, device=list(new), digest=digests)
    return [
        Keyed(device.uuid, device.name, new.get(device.pk, ""), "" if device.pk in new else HAS_ONE)
        for device in devices
    ]


def record(
    organization: Organization,
    name: str,
    keyed: Sequence[Keyed],
    actor: User | None,
    at: datetime,
    **more: str,
) -> None:
    """One line for the whole list."""
    after = {"keys": sum(bool(each.key) for each in keyed)} | more
    subject = ("list", name, name)
    audit.record(
        "keys-handed-out", actor=actor, organization=organization, subject=subject, at=at, after=after
    )
