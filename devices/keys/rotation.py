"""Key rotation: a device gets a second key, and both are live for a while, so that no poll is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Least

from devices import clock, keys
from devices.keys import audit as key_audit
from devices.keys import mirrored
from devices.keys import once as key_once
from devices.models import ApiKey, Device
from fleets.access import roles
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from fleets.actor import Actor


class NotUsedYet(Exception):
    """The device has not used its new key, so it may not know it, and needs the old one."""


class NotRotating(Exception):
    """The device has one live key, or none."""


@transaction.atomic
def rotate(
    *,
    device: Device,
    overlap: timedelta | None = None,
    seen: str | None = None,
    actor: Actor | None = None,
    at: datetime | None = None,
) -> str:
    """A new key for the device; its present key expires after `overlap`, or stays live until `finish` (None).

    `seen` is the fingerprint of the newest key that the caller was shown (empty: none), so that sending a
    form twice creates one key. Raises PermissionDenied, ChangedMeanwhile, keys.TooMany while a rotation is
    under way, and Device.DoesNotExist where the device was deleted meanwhile.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    mirrored.require_own(device.pk)
    at = at or clock.now()
    Device.objects.select_for_update(no_key=True, of=["self"]).get(pk=device.pk)
    if seen is not None and seen != newest(device):
        raise ChangedMeanwhile(f"The newest key of {device}")
    made, key = keys.issue(device, at=at)
    older = _live(device, at).exclude(pk=made.pk)
    before = _audit_payload(older)
    if overlap is not None:
        older.update(expires_at=Least("expires_at", at + overlap))  # PostgreSQL's ignores nulls
    after = _audit_payload(older) | {"key": made.fingerprint}
    key_audit.record("key-rotated", made, actor=actor, at=at, before=before, after=after)
    return key


def newest(device: Device) -> str:
    """The fingerprint of the device's newest key, live or not; empty where it never had one."""
    return key_once.newest(ApiKey.objects.filter(device=device))


def _audit_payload(older: QuerySet[ApiKey]) -> dict[str, str | None]:
    key = older.first()
    if key is None:
        return {"key": None}
    return {"key": key.fingerprint, "older_key_expires_at": key_audit.moment(key.expires_at)}


@transaction.atomic
def finish(
    *, device: Device, unused: bool = False, actor: Actor | None = None, at: datetime | None = None
) -> None:
    """Finish a rotation: revoke the older key.

    Raises PermissionDenied, NotRotating, and NotUsedYet where the new key was not used, unless `unused`.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    at = at or clock.now()
    Device.objects.select_for_update(no_key=True, of=["self"]).get(pk=device.pk)
    live = list(_live(device, at).order_by("-created_at", "-pk"))
    if len(live) < 2:
        raise NotRotating(f"{device} has no second valid key.")
    newest, *older = live
    if newest.last_used_at is None and not unused:
        raise NotUsedYet(f"{device} has not used its new key yet.")
    for key in older:
        keys.revoke(key, at, actor=actor)


def _live(device: Device, at: datetime) -> QuerySet[ApiKey]:
    return keys.live_keys(ApiKey.Kind.DEVICE, at).filter(device=device)
