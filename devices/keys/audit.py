"""Keys in the audit log: created, revoked, rotated, exchanged, refused.

The log never has a key, and of its digest only the fingerprint. Events of a device's key have the device as
their subject, so that one filter shows everything about a device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devices.models import ApiKey
from fleets import audit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fleets.actor import Actor


def record(
    action: str,
    key: ApiKey,
    *,
    actor: Actor | None,
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: str = audit.CONSOLE,
) -> None:
    """Write one line about this key, within the caller's transaction."""
    audit.record(
        action,
        actor=actor,
        organization=key.organization,
        subject=_subject(key),
        at=at,
        before=before,
        after=after,
        by=by,
    )


def _subject(key: ApiKey) -> tuple[str, str, str]:
    if key.device is not None:
        return "device", key.device.uuid, key.device.name
    return "key", key.fingerprint, key.name


def facts(key: ApiKey) -> dict[str, Any]:
    """The payload of an event that creates or revokes a key."""
    payload: dict[str, Any] = {"kind": str(key.kind), "key": key.fingerprint}
    if key.name:
        payload["name"] = key.name
    if key.fleet is not None:
        payload["fleet"] = key.fleet.slug
    return payload | {"expires_at": moment(key.expires_at)}


def holder(key: ApiKey) -> str:
    """The name of who acts with this key, where no person does: a device, or the key itself."""
    if key.device is not None:
        return f"device {key.device}"
    return f"{key.kind} key {key.name or key.fingerprint}"


def moment(at: datetime | None) -> str | None:
    """A time as the audit log stores it, in ISO format; None stays None."""
    return at.isoformat() if at else None
