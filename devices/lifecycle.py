"""How devices come, move and go (domain.md, Lifecycle): the one place for page, API, command and admin.

A person's action names its `actor`, whose role in the device's organization must allow it; None: the site
itself, from the console. Everything is atomic and leaves its line in the history.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from devices import clock, connectivity, freezing, key_audit, keys
from devices.models import UUID_PATTERN, ApiKey, Device, FormerKey
from devices.status import HeartbeatState, with_status
from fleets import audit, roles
from fleets.models import Fleet, Role

if TYPE_CHECKING:
    from dashboard.models import User


class InvalidUuid(ValueError):
    """A UUID is 32 or 62 lower-case hexadecimal characters."""


class UuidTaken(Exception):
    """A device of that UUID exists."""


class StillConnected(Exception):
    """The device has a link at this instant, so it cannot be deactivated. Its text says which."""


class OtherOrganization(Exception):
    """A device moves only within its organization."""


@transaction.atomic
def register(
    *,
    fleet: Fleet,
    provisioning_key: ApiKey | None = None,
    uuid: str | None = None,
    name: str = "",
    device_type: str = "",
    said: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Device:
    """A device registers itself with a provisioning key (protocol.md, register): active, Post Provisioning.

    `said` is what else it says of itself, named as in its reports. Raises InvalidUuid, UuidTaken.
    """
    at = at or clock.now()
    facts = {"is_active": True, "provisioned_at": at, "activated_at": at, "provisioned_by": provisioning_key}
    reason = {"slug": "registered"} | ({"key": provisioning_key.name} if provisioning_key else {})
    device = _create(fleet, uuid, name, device_type, at, reason, **facts, **(said or {}))
    after, by = {"fleet": fleet.slug}, audit.CONSOLE
    if provisioning_key:
        after["provisioning_key"] = provisioning_key.fingerprint
        by = key_audit.holder(provisioning_key)
    _audit("device-registered", None, device, at, after=after, by=by)
    return device


@transaction.atomic
def preregister(
    *,
    fleet: Fleet,
    actor: User | None,
    uuid: str | None = None,
    name: str = "",
    device_type: str = "",
    at: datetime | None = None,
) -> tuple[Device, str]:
    """An operator creates a device before it is switched on: Inactive. Returns it with its key, shown once.

    Raises PermissionDenied, InvalidUuid, UuidTaken.
    """
    roles.require(actor, Role.OPERATOR, fleet.organization)
    at = at or clock.now()
    device = _create(fleet, uuid, name, device_type, at, _by("preregistered", actor))
    _audit("device-preregistered", actor, device, at, after={"fleet": fleet.slug})
    return device, keys.issue(device, at=at)[1]


@transaction.atomic
def deactivate(*, device: Device, actor: User | None, at: datetime | None = None) -> None:
    """Take a device out of service; only while both its links are down at that instant.

    Raises PermissionDenied, StillConnected.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    at = at or clock.now()
    freezing.hold([device.organization_id])
    connectivity.settle_devices([device.pk], at)
    now = with_status(Device.objects.filter(pk=device.pk), at).get()
    up = [
        *(["the VPN is connected"] if now.vpn else []),
        *([f"the heartbeat is {now.heartbeat}"] if now.heartbeat in BEATING else []),
    ]
    if up:
        raise StillConnected(f"{now} cannot be deactivated: {' and '.join(up)}")
    taken = Device.objects.filter(pk=device.pk, is_active=True).update(
        is_active=False,
        activated_at=None,
        deactivated_at=at,
        facts_at=at,
        facts_reason=_by("deactivated", actor),
    )
    if taken:
        freezing.refreeze(device.organization_id, at, [device.pk])
        _audit("device-deactivated", actor, device, at)


BEATING = [HeartbeatState.RECENT, HeartbeatState.LATE]


@transaction.atomic
def move(*, device: Device, fleet: Fleet, actor: User | None, at: datetime | None = None) -> None:
    """Move a device to another fleet of its organization; it keeps its history.

    Raises PermissionDenied, OtherOrganization.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    if fleet.organization_id != device.organization_id:
        raise OtherOrganization(f"{fleet} belongs to another organization than {device}")
    at = at or clock.now()
    freezing.hold([device.organization_id])
    connectivity.settle_devices([device.pk], at)
    before = Device.objects.select_related("fleet").only("vpn_setting", "fleet__slug").get(pk=device.pk)
    own = before.vpn_setting
    moved = (
        Device.objects.filter(pk=device.pk)
        .exclude(fleet=fleet)
        .update(
            fleet=fleet,
            vpn_enabled=fleet.vpn_enabled if own is None else own,
            facts_at=at,
            facts_reason=_by("moved", actor),
        )
    )
    if moved:
        freezing.refreeze(device.organization_id, at, [device.pk])
        was, now = {"fleet": before.fleet.slug}, {"fleet": fleet.slug}
        _audit("device-moved", actor, device, at, before=was, after=now)


@transaction.atomic
def delete(*, device: Device, actor: User | None, at: datetime | None = None) -> None:
    """Delete a device, its facts and keys; hashes of its keys stay 90 days, its history until retention.

    Raises PermissionDenied.
    """
    roles.require(actor, Role.ADMINISTRATOR, device.organization)
    at = at or clock.now()
    freezing.hold([device.organization_id])
    connectivity.settle_devices([device.pk], at)
    FormerKey.objects.bulk_create(
        FormerKey(
            digest=key.digest,
            organization_id=device.organization_id,
            device_uuid=device.uuid,
            deleted_at=at,
        )
        for key in ApiKey.objects.filter(device=device)
    )
    Device.objects.filter(pk=device.pk).update(facts_at=at, facts_reason=_by("deleted", actor))
    Device.objects.filter(pk=device.pk).delete()
    freezing.refreeze(device.organization_id, at, [device.pk])
    _audit("device-deleted", actor, device, at, before={"fleet": device.fleet.slug})


def _create(
    fleet: Fleet,
    uuid: str | None,
    name: str,
    device_type: str,
    at: datetime,
    reason: dict[str, str],
    **facts: object,
) -> Device:
    uuid = uuid or secrets.token_hex(16)
    if not re.fullmatch(UUID_PATTERN, uuid):
        raise InvalidUuid("a UUID is 32 or 62 lower-case hexadecimal characters")
    freezing.hold([fleet.organization_id])
    try:
        with transaction.atomic():
            device = Device.objects.create(
                organization_id=fleet.organization_id,
                fleet=fleet,
                uuid=uuid,
                name=name,
                device_type=device_type or fleet.device_type,
                vpn_enabled=fleet.vpn_enabled,
                created_at=at,
                facts_at=at,
                facts_reason=reason,
                **facts,
            )
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise UuidTaken(f"a device {uuid} exists") from error
    if freezing.refreeze(fleet.organization_id, at, [device.pk]):
        device.refresh_from_db(fields=["frozen_reason"])
    return device


def _by(slug: str, actor: User | None) -> dict[str, str]:
    return {"slug": slug} | ({"by": actor.get_username()} if actor else {})


def _audit(
    action: str,
    actor: User | None,
    device: Device,
    at: datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: str = audit.CONSOLE,
) -> None:
    audit.record(
        action,
        actor=actor,
        organization=device.organization,
        subject=("device", device.uuid, device.name),
        at=at,
        before=before,
        after=after,
        by=by,
    )
