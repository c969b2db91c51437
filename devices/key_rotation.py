"""A device's key gives way to a new one: for a while both are live, so that no poll is refused meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Least

from devices import clock, keys
from devices.models import ApiKey, Device

if TYPE_CHECKING:
    from django.db.models import QuerySet


class NotUsedYet(Exception):
    """The device has not used its new key: without the old one it could not speak."""


class NotRotating(Exception):
    """The device has one live key, or none."""


@transaction.atomic
def rotate(*, device: Device, overlap: timedelta | None = None, at: datetime | None = None) -> str:
    """A new key for the device; the one it has expires after `overlap`, or lives on until `finish`.

    Raises keys.TooMany while it is rotating already.
    """
    at = at or clock.now()
    key = keys.new_device_key(device, at=at)
    if overlap is not None:
        older = _live(device, at).exclude(digest__in=keys.digests(key))
        older.update(expires_at=Least("expires_at", at + overlap))  # PostgreSQL's ignores nulls
    return key


@transaction.atomic
def finish(*, device: Device, unused: bool = False, at: datetime | None = None) -> None:
    """Revoke the older key. Raises NotRotating, and NotUsedYet unless `unused` says otherwise."""
    at = at or clock.now()
    Device.objects.select_for_update(no_key=True, of=["self"]).get(pk=device.pk)
    newest, *older = _live(device, at).order_by("-created_at", "-pk") or [None]
    if newest is None or not older:
        raise NotRotating(f"{device} has no second live key.")
    if newest.last_used_at is None and not unused:
        raise NotUsedYet(f"{device} has not used its new key yet.")
    _live(device, at).exclude(pk=newest.pk).update(revoked_at=at)


def _live(device: Device, at: datetime) -> QuerySet[ApiKey]:
    return keys.live_keys(ApiKey.Kind.DEVICE, at).filter(device=device)
