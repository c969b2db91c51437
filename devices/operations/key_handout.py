"""Handing out the keys of devices that were created from a list, as a file.

The keys are created with the first download. A transfer may break, so the file can be downloaded again until
a person confirms to have it, or for a day; until then it is stored encrypted. Later a lost key is replaced on
its device's page. Creating new keys for each download would need no storage, but a device that was given a
key of an earlier file would be refused without anybody noticing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography.fernet import InvalidToken
from django.db import transaction

from devices import clock, keys
from devices.models import ApiKey, Device, DeviceList, Job, JobResult
from fleets import audit
from fleets.access import roles
from fleets.access.encryption import fernet
from fleets.models import Role

if TYPE_CHECKING:
    from fleets.actor import Actor
    from fleets.models import Organization

OFFERED: Final = timedelta(hours=24)  # how long the file can be downloaded again
KIND: Final = "lookout.keys-of-a-list"  # the purpose of the encryption
COLUMNS: Final = ("uuid", "name", "key", "remark")
HAS_ONE: Final = "already has a key"
REVOKED: Final = "revoked since the first download"


class NotOffered(Exception):
    """The keys of the list cannot be downloaded, not yet or no longer.

    The text is a sentence that says why.
    """


@dataclass(frozen=True)
class Keyed:
    """A row of the file: a device and its new key."""

    uuid: str
    name: str
    key: str  # empty: the device has a key already, or the key was revoked
    remark: str  # why the key is empty


def offered_until(listed: DeviceList, at: datetime) -> datetime | None:
    """Until when the file can be downloaded again; None: it was never downloaded, or cannot be any more."""
    if listed.keys_at is None or listed.keys_confirmed_at is not None:
        return None
    end = listed.keys_at + OFFERED
    return end if at < end else None


@transaction.atomic
def hand_out(*, listed: DeviceList, actor: Actor, at: datetime | None = None) -> list[Keyed]:
    """The keys of the list's devices: created now, or those of the first download while that is offered.

    Raises PermissionDenied, NotOffered.
    """
    roles.require(actor, Role.OPERATOR, listed.organization)
    at = at or clock.now()
    now = DeviceList.objects.select_for_update(no_key=True).get(pk=listed.pk)
    if now.job is None or now.job.state != Job.State.DONE:
        raise NotOffered("The job that creates the devices has not ended.")
    again = now.keys_at is not None
    keyed = _stored(now, at) if again else _first(now, actor, at)
    more = {"job": str(now.job.uuid)} | ({"again": "yes"} if again else {})
    record(listed.organization, now.file_name, keyed, actor, at, **more)
    return keyed


@transaction.atomic
def confirm(*, listed: DeviceList, actor: Actor, at: datetime | None = None) -> bool:
    """Confirm that somebody has the keys, and delete the file. False: the file was not offered.

    Raises PermissionDenied.
    """
    roles.require(actor, Role.OPERATOR, listed.organization)
    at = at or clock.now()
    open_list = DeviceList.objects.filter(pk=listed.pk, keys_at__gt=at - OFFERED, keys_confirmed_at=None)
    if not open_list.update(keys_confirmed_at=at, encrypted_keys=""):
        return False
    subject = ("list", listed.file_name, listed.file_name)
    audit.record("keys-confirmed", actor=actor, organization=listed.organization, subject=subject, at=at)
    return True


def forget(at: datetime | None = None) -> int:
    """Delete the files that are not offered any more; returns how many."""
    old = DeviceList.objects.filter(keys_at__lte=(at or clock.now()) - OFFERED)
    return old.exclude(encrypted_keys="").update(encrypted_keys="")


def _first(now: DeviceList, actor: Actor, at: datetime) -> list[Keyed]:
    made = JobResult.objects.filter(job=now.job_id).values("device_id")
    held = Device.objects.select_for_update(no_key=True, of=["self"]).filter(pk__in=made)
    keyed = make(list(held.order_by("pk").only("uuid", "name", "organization")), at)
    text = json.dumps([asdict(entry) for entry in keyed])
    now.keys_at, now.keys_by_name = at, actor.get_username()
    now.encrypted_keys = fernet(KIND).encrypt(text.encode()).decode()
    now.save(update_fields=["keys_at", "keys_by_name", "encrypted_keys"])
    return keyed


def _stored(now: DeviceList, at: datetime) -> list[Keyed]:
    """The stored keys of the first download, without those that are not live any more. Raises NotOffered."""
    if not offered_until(now, at):
        raise NotOffered("They are no longer stored.")
    try:
        text = fernet(KIND).decrypt(now.encrypted_keys.encode())
    except InvalidToken as error:
        raise NotOffered("The SECRET_KEY of the site was changed, so they cannot be read.") from error
    keyed = [Keyed(**entry) for entry in json.loads(text)]
    live = keys.find_devices([entry.key for entry in keyed if entry.key], at)
    return [
        entry if entry.key in live or not entry.key else replace(entry, key="", remark=REVOKED)
        for entry in keyed
    ]


@transaction.atomic
def make(devices: Sequence[Device], at: datetime) -> list[Keyed]:
    """Create a key for each of these devices, of one organization, that has no live key; a row per device.

    The caller has locked the devices, and writes the audit log.
    """
    ids = [device.pk for device in devices]
    has = set(keys.live_keys(ApiKey.Kind.DEVICE, at).filter(device__in=ids).values_list("device", flat=True))
    without = [device for device in devices if device.pk not in has]
    issued = keys.issue_all(without, [None] * len(without), at=at) if without else []
    new = {device.pk: key for device, key in zip(without, issued, strict=True)}
    return [
        Keyed(device.uuid, device.name, new.get(device.pk, ""), "" if device.pk in new else HAS_ONE)
        for device in devices
    ]


def record(
    organization: Organization,
    name: str,
    keyed: Sequence[Keyed],
    actor: Actor | None,
    at: datetime,
    **more: str,
) -> None:
    """Write one line into the audit log for a whole list, named `name`; `more` is added to it."""
    after = {"keys": sum(bool(entry.key) for entry in keyed)} | more
    subject = ("list", name, name)
    audit.record(
        "keys-handed-out", actor=actor, organization=organization, subject=subject, at=at, after=after
    )
