"""Whose key a text is: live ones by digest, those of deleted devices, and what a provisioning key may ask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import connection
from django.db.models import Q

from devices import clock
from devices.models import ApiKey, Device, FormerKey, Heartbeat
from fleets.access.digests import digests

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.db.models import QuerySet


LOOK_UP: Final = timedelta(hours=24)  # how long a provisioning key may act for what it registered
FORMER_KEPT: Final = timedelta(days=90)  # how long a deleted device's agent is told from a stranger

# One array, and SQL of our own: an ORM list of so many parameters costs more than the search.
FIND_DEVICES: Final = """
SELECT k.digest, k.device_id, d.uuid, d.name, k.organization_id, d.frozen_reason,
       COALESCE(d.vpn_setting, f.vpn_enabled) IS FALSE,
       COALESCE(d.poll_interval, f.poll_interval, %(interval)s)
FROM devices_apikey k JOIN devices_device d ON d.id = k.device_id JOIN fleets_fleet f ON f.id = d.fleet_id
WHERE k.digest = ANY(%(digests)s) AND k.kind = 'device' AND k.revoked_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > %(at)s)
"""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The device whose live key was presented, with what every call of a device needs to know."""

    device_id: int
    uuid: str
    name: str
    organization_id: int
    frozen_reason: str
    vpn_off: bool  # on purpose, by its own setting or its fleet's
    poll_interval: int  # seconds, in force: device over fleet over site


def fingerprint(key: ApiKey) -> str:
    """Names a key without helping to guess it."""
    return key.fingerprint


def live_keys(kind: ApiKey.Kind, at: datetime) -> QuerySet[ApiKey]:
    return _live_keys(at).filter(kind=kind)


def _live_keys(at: datetime) -> QuerySet[ApiKey]:
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=at)
    return ApiKey.objects.filter(unexpired, revoked_at__isnull=True)


def find(key: str, kind: ApiKey.Kind, at: datetime) -> ApiKey | None:
    """The live key of this kind, with its fleet and organization."""
    keys = live_keys(kind, at).filter(digest__in=digests(key))
    return keys.select_related("fleet__organization", "organization").first()


def find_devices(keys: Collection[str], at: datetime) -> dict[str, KeyHolder]:
    """Whose live device keys these are, by key, in one query; the others are left out."""
    by_digest = {digest: key for key in keys for digest in digests(key)}
    params: dict[str, Any] = {"digests": list(by_digest), "at": at, "interval": settings.POLL_INTERVAL}
    with connection.cursor() as cursor:
        cursor.execute(FIND_DEVICES, params)
        return {by_digest[digest]: KeyHolder(*facts) for digest, *facts in cursor.fetchall()}


def named(text: str) -> ApiKey | None:
    """The key that this text is, or whose fingerprint it is; None where that is not exactly one."""
    if re.fullmatch("[0-9a-f]{12}", text):
        start = bytes.fromhex(text)
        matching = ApiKey.objects.filter(digest__range=(start, start.ljust(32, b"\xff")))
    else:
        matching = ApiKey.objects.filter(digest__in=digests(text))
    found = list(matching[:2])
    return found[0] if len(found) == 1 else None


def is_known(key: str, at: datetime | None = None) -> bool:
    """Whether it is a live key of any kind, or was that of a device deleted since: not a stranger's."""
    live = _live_keys(at or clock.now()).filter(digest__in=digests(key))
    return live.exists() or former(key) is not None


def may_look_up(provisioning: ApiKey, device: Device, at: datetime) -> bool:
    """Whether this provisioning key may still act for a device: one that it registered less than a day ago.

    And that never polled: the key sits on every card of the fleet, whose devices it must not take over.
    """
    return (
        provisioning.kind == ApiKey.Kind.PROVISIONING
        and device.provisioned_by_id == provisioning.pk
        and device.provisioned_at is not None
        and at - device.provisioned_at < LOOK_UP
        and not Heartbeat.objects.filter(device=device).exists()
    )


def former(key: str) -> FormerKey | None:
    """The deleted device's key that this is. A key that is live again is asked for first."""
    return FormerKey.objects.filter(digest__in=digests(key)).first()


def forget_former(at: datetime | None = None) -> int:
    """Drop the former keys of devices deleted long ago; returns how many."""
    return FormerKey.objects.filter(deleted_at__lte=(at or clock.now()) - FORMER_KEPT).delete()[0]
