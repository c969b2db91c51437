"""Looking up keys: live keys by their text, former keys of deleted devices, provisioning keys' rights."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from django.conf import settings
from django.db import connection
from django.db.models import Q

from devices import clock
from devices.models import ApiKey, Device, FormerKey, Heartbeat
from fleets.access.digests import digests

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from django.db.models import QuerySet

    from devices.clock import Moment


LOOK_UP: Final = timedelta(hours=24)  # how long a provisioning key may act for a device that it registered
FORMER_KEPT: Final = timedelta(days=90)  # how long the key of a deleted device is still recognized

# What a KeyHolder has, of a key, its device and its fleet; and whether the key is a live one of a device.
# `at` None: now.
HOLDER: Final = """
k.device_id, d.uuid, d.name, k.organization_id, d.frozen_reason,
COALESCE(d.vpn_setting, f.vpn_enabled) IS FALSE AS vpn_off,
COALESCE(d.poll_interval, f.poll_interval, %(interval)s) AS interval_in_force, d.is_active
"""
HOLDS: Final = """
k.kind = 'device' AND k.revoked_at IS NULL
AND (k.expires_at IS NULL OR k.expires_at > COALESCE(%(at)s, STATEMENT_TIMESTAMP()))
"""
# SQL with one array, as the ORM's list of so many parameters costs more than the search.
FIND_DEVICES: Final = f"""
SELECT k.digest, {HOLDER}
FROM devices_apikey k JOIN devices_device d ON d.id = k.device_id JOIN fleets_fleet f ON f.id = d.fleet_id
WHERE k.digest = ANY(%(digests)s) AND {HOLDS}
"""  # noqa: S608 - of constants


class KeyHolder(msgspec.Struct, frozen=True):
    """The device that a live device key is for, with what every call of a device needs."""

    device_id: int
    uuid: str
    name: str
    organization_id: int
    frozen_reason: str
    vpn_off: bool  # on purpose, by its own setting or its fleet's
    poll_interval: int  # seconds, in force: device over fleet over site
    is_active: bool  # as read without a lock


def fingerprint(key: ApiKey) -> str:
    """Twelve hexadecimal digits that name a key without helping to guess it."""
    return key.fingerprint


def live_keys(kind: ApiKey.Kind, at: datetime) -> QuerySet[ApiKey]:
    """The keys of this kind that are neither revoked nor expired at `at`."""
    return _live_keys(at).filter(kind=kind)


def _live_keys(at: datetime) -> QuerySet[ApiKey]:
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=at)
    return ApiKey.objects.filter(unexpired, revoked_at__isnull=True)


def find(key: str, kind: ApiKey.Kind, at: datetime) -> ApiKey | None:
    """The live key of this kind whose text is `key`, with its fleet and organization; None: there is none."""
    keys = live_keys(kind, at).filter(digest__in=digests(key))
    return keys.select_related("fleet__organization", "organization").first()


def find_all(keys: Collection[str], kind: ApiKey.Kind, at: datetime) -> dict[str, ApiKey]:
    """The live keys of this kind among these texts, by their text, with fleet and organization. One query."""
    by_digest = _by_digest(keys)
    found = live_keys(kind, at).filter(digest__in=list(by_digest))
    return {
        by_digest[bytes(key.digest)]: key
        for key in found.select_related("fleet__organization", "organization")
    }


def find_devices(keys: Collection[str], at: datetime) -> dict[str, KeyHolder]:
    """The devices of those of these keys that are live device keys at `at`, by key. One query."""
    by_digest = _by_digest(keys)
    with connection.cursor() as cursor:
        cursor.execute(FIND_DEVICES, _params(by_digest) | {"at": at})
        return _holders(by_digest, cursor.fetchall())


def find_devices_now(keys: Collection[str]) -> tuple[Moment, dict[str, KeyHolder]]:
    """The present moment, and the devices of those of these keys that are live device keys, by key.

    One round trip.
    """
    by_digest = _by_digest(keys)
    at, rows = clock.moment_with(FIND_DEVICES, _params(by_digest))
    return at, _holders(by_digest, rows)


def _by_digest(keys: Collection[str]) -> dict[bytes, str]:
    return {digest: key for key in keys for digest in digests(key)}


def _params(by_digest: Mapping[bytes, str]) -> dict[str, Any]:
    """The parameters of FIND_DEVICES besides `at`."""
    return {"digests": list(by_digest), "interval": settings.POLL_INTERVAL}


def _holders(by_digest: Mapping[bytes, str], rows: Iterable[tuple[Any, ...]]) -> dict[str, KeyHolder]:
    """The devices in rows of FIND_DEVICES, by key."""
    return {by_digest[digest]: KeyHolder(*facts) for digest, *facts in rows}


def named(text: str) -> ApiKey | None:
    """The key that this text is, or whose fingerprint it is; None: not exactly one key matches."""
    if re.fullmatch("[0-9a-f]{12}", text):
        start = bytes.fromhex(text)
        matching = ApiKey.objects.filter(digest__range=(start, start.ljust(32, b"\xff")))
    else:
        matching = ApiKey.objects.filter(digest__in=digests(text))
    found = list(matching[:2])
    return found[0] if len(found) == 1 else None


def is_known(key: str, at: datetime | None = None) -> bool:
    """Whether it is a live key of any kind, or the former key of a deleted device."""
    live = _live_keys(at or clock.now()).filter(digest__in=digests(key))
    return live.exists() or former(key) is not None


def may_look_up(provisioning: ApiKey, device: Device, at: datetime) -> bool:
    """Whether this provisioning key may act for a device: it registered it within LOOK_UP, it never polled.

    The key is on every card of the fleet, so it must not be able to take over devices in use.
    """
    return (
        provisioning.kind == ApiKey.Kind.PROVISIONING
        and device.provisioned_by_id == provisioning.pk
        and device.provisioned_at is not None
        and at - device.provisioned_at < LOOK_UP
        and not Heartbeat.objects.filter(device=device).exists()
    )


def former(key: str) -> FormerKey | None:
    """The former key of a deleted device whose text is `key`; None: there is none.

    Look for a live key first.
    """
    return FormerKey.objects.filter(digest__in=digests(key)).first()


def forget_former(at: datetime | None = None) -> int:
    """Delete the former keys of devices deleted more than FORMER_KEPT ago; returns how many."""
    return FormerKey.objects.filter(deleted_at__lte=(at or clock.now()) - FORMER_KEPT).delete()[0]
