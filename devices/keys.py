"""Keys: random texts, shown once, of which only a keyed digest is kept (protocol.md, Keys).

A digest is HMAC-SHA-256 under `settings.KEY_PEPPER`: the first pepper signs, all are accepted.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from devices import clock
from devices.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.db.models import QuerySet

    from devices.models import Device
    from fleets.models import Fleet, Organization


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The device whose live key was presented, with what every call of a device needs to know."""

    device_id: int
    uuid: str
    organization_id: int
    frozen_reason: str
    poll_interval: int  # seconds, in force: device over fleet over site


def new_device_key(device: Device, *, expires_at: datetime | None = None) -> str:
    return _create(
        ApiKey.Kind.DEVICE,
        device=device,
        organization_id=device.fleet.organization_id,
        expires_at=expires_at,
    )


def new_provisioning_key(fleet: Fleet, name: str = "", *, expires_at: datetime | None = None) -> str:
    return _create(
        ApiKey.Kind.PROVISIONING,
        fleet=fleet,
        organization_id=fleet.organization_id,
        name=name,
        expires_at=expires_at,
    )


def new_service_key(
    organization: Organization | None,
    name: str = "",
    *,
    expires_at: datetime | None = None,
) -> str:
    """A key for the VPN servers of an organization; of the whole site where it is None."""
    return _create(ApiKey.Kind.SERVICE, organization=organization, name=name, expires_at=expires_at)


def digests(key: str) -> list[bytes]:
    """What the key may be stored as: one digest per pepper, the current first."""
    return [hmac.digest(pepper.encode(), key.encode(), hashlib.sha256) for pepper in settings.KEY_PEPPER]


def fingerprint(key: ApiKey) -> str:
    """Names a key without helping to guess it."""
    return bytes(key.digest).hex()[:12]


def live_keys(kind: ApiKey.Kind, at: datetime) -> QuerySet[ApiKey]:
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=at)
    return ApiKey.objects.filter(unexpired, kind=kind, revoked_at__isnull=True)


def find(key: str, kind: ApiKey.Kind, at: datetime) -> ApiKey | None:
    """The live key of this kind, with its fleet and organization."""
    keys = live_keys(kind, at).filter(digest__in=digests(key))
    return keys.select_related("fleet__organization", "organization").first()


def find_devices(keys: Collection[str], at: datetime) -> dict[str, KeyHolder]:
    """Whose live device keys these are, by key, in one query; the others are left out."""
    by_digest = {digest: key for key in keys for digest in digests(key)}
    rows = (
        live_keys(ApiKey.Kind.DEVICE, at)
        .filter(digest__in=by_digest)
        .values_list(
            "digest",
            "device_id",
            "device__uuid",
            "organization_id",
            "device__frozen_reason",
            Coalesce(
                F("device__poll_interval"),
                F("device__fleet__poll_interval"),
                settings.POLL_INTERVAL,
            ),
        )
    )
    return {by_digest[bytes(digest)]: KeyHolder(*facts) for digest, *facts in rows}


def named(text: str) -> ApiKey | None:
    """The key that this text is, or whose fingerprint it is; None where that is not exactly one."""
    if re.fullmatch("[0-9a-f]{12}", text):
        start = bytes.fromhex(text)
        matching = ApiKey.objects.filter(digest__range=(start, start.ljust(32, b"\xff")))
    else:
        matching = ApiKey.objects.filter(digest__in=digests(text))
    found = list(matching[:2])
    return found[0] if len(found) == 1 else None


def revoke(key: ApiKey, at: datetime | None = None) -> bool:
    """Accept the key no more, from this moment on; false if it was revoked before."""
    live = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True)
    return live.update(revoked_at=at or clock.now()) == 1


def _create(kind: ApiKey.Kind, **facts: Any) -> str:
    key = secrets.token_urlsafe(32)
    ApiKey.objects.create(kind=kind, digest=digests(key)[0], **facts)
    return key
