"""The rows of a page of keys: name, times and state of each key, never the key itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q, QuerySet

from devices import keys
from devices.models import ApiKey
from devices.operations import ceilings

REVOKED_SHOWN: Final = timedelta(days=30)  # how long a revoked key stays in the list


@dataclass(frozen=True)
class KeyRow:
    name: str
    fingerprint: str
    state: str  # live, expired or revoked
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None  # to within an hour
    last_refused_at: datetime | None
    last_refused_reason: str
    registered: int  # devices that registered with it in total
    in_hour: int  # devices that registered with it in this hour
    registers: bool  # whether it may register another device in this hour


def listed(api_keys: QuerySet[ApiKey], at: datetime) -> list[KeyRow]:
    """The rows of these keys, the newest first; keys are left out REVOKED_SHOWN after they were revoked."""
    shown = api_keys.filter(Q(revoked_at=None) | Q(revoked_at__gt=at - REVOKED_SHOWN)).order_by(
        "-created_at", "-pk"
    )
    return [
        KeyRow(
            key.name,
            keys.fingerprint(key),
            _state(key, at),
            key.created_at,
            key.expires_at,
            key.revoked_at,
            key.last_used_at,
            key.last_refused_at,
            key.last_refused_reason,
            key.registered,
            in_hour := ceilings.in_hour(key, at),
            key.registered < settings.REGISTRATIONS_PER_KEY and in_hour < settings.REGISTRATIONS_PER_HOUR,
        )
        for key in shown
    ]


def _state(key: ApiKey, at: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= at else "live"
