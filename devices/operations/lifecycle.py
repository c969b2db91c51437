"""The lifecycle of devices (domain.md, Lifecycle): how they are registered, moved, deactivated and deleted.

Used by pages, calls, commands and the admin. `actor` is the person who acts, whose role in the organization
is checked; None: the console. Every function is atomic, and writes the history and the audit log.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from devices import clock, freezing, keys
from devices.clock import Moment
from devices.keys import audit as key_audit
from devices.keys import mirrored
from devices.models import UUID_PATTERN, ApiKey, Device
from devices.operations import batch as batch_actions
from devices.operations import ceilings
from devices.operations.reports import LONGEST, as_kept
from devices.transitions.write import settle_devices
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Fleet, Role
from fleets.postgres.bulk_insert import insert_copies
from fleets.postgres.unique import unique_violation
from fleets.text import kept

if TYPE_CHECKING:
    from fleets.actor import Actor


class InvalidUuid(ValueError):
    """A UUID is 32 or 62 lower-case hexadecimal characters."""


class UuidTaken(Exception):
    """A device with this UUID exists on the site."""


class StillConnected(Exception):
    """The device has a link up, so it cannot be deactivated; the text says which."""


class OtherOrganization(Exception):
    """A device moves only within its organization."""


class FleetGone(Exception):
    """The fleet was deleted meanwhile."""


@dataclass(frozen=True, slots=True)
class NewDevice:
    """What a device says where it registers; `uuid` None: it is given one.

    `reported` is what else it reports, as the payload of a report; `address` is where it calls from.
    """

    uuid: str | None = None
    name: str = ""
    device_type: str = ""
    reported: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None


def register(
    *, fleet: Fleet, provisioning_key: ApiKey | None = None, at: datetime | Moment | None = None, **said: Any
) -> Device:
    """A device registers itself (`register_all`); `said` has the fields of NewDevice that it tells."""
    new = [NewDevice(**said)]
    (device,) = register_all(fleet=fleet, new=new, provisioning_key=provisioning_key, at=at)
    return device


@transaction.atomic
def register_all(
    *,
    fleet: Fleet,
    new: Sequence[NewDevice],
    provisioning_key: ApiKey | None = None,
    at: datetime | Moment | None = None,
) -> list[Device]:
    """Devices register themselves with a provisioning key (protocol.md, register): active, Post Provisioning.

    All of them or none. Raises InvalidUuid, UuidTaken, FleetGone, ceilings.KeyPaused, ceilings.KeySpent.
    """
    at = clock.moment(at)
    locks.hold([fleet.organization_id])  # before the key's row, in the order of a deletion of the fleet
    if provisioning_key and not ceilings.count_registrations(provisioning_key, len(new), at.at):
        raise FleetGone(f"{fleet} was deleted meanwhile.")
    facts = {
        "is_active": True,
        "provisioned_at": at.at,
        "activated_at": at.at,
        "provisioned_by": provisioning_key,
    }
    reason = {"slug": "registered"} | ({"key": provisioning_key.name} if provisioning_key else {})
    devices = _create(fleet, new, at, reason, own_names=True, **facts)
    after, by = {"fleet": fleet.slug}, audit.CONSOLE
    if provisioning_key:
        after["provisioning_key"] = provisioning_key.fingerprint
        by = key_audit.holder(provisioning_key)
    audit.record_all(
        "device-registered",
        actor=None,
        organization=fleet.organization,
        kind="device",
        lines=[(device.uuid, device.name, None, after) for device in devices],
        at=at.at,
        by=by,
        addresses=[each.address or audit.address() for each in new],
    )
    return devices


@transaction.atomic
def preregister(
    *,
    fleet: Fleet,
    actor: Actor | None,
    uuid: str | None = None,
    name: str = "",
    device_type: str = "",
    at: datetime | Moment | None = None,
) -> tuple[Device, str]:
    """An operator creates a device before it is switched on: Inactive. Returns the device and its key's text.

    `uuid` None: it is given one. Raises PermissionDenied, InvalidUuid, UuidTaken, FleetGone.
    """
    roles.require(actor, Role.OPERATOR, fleet.organization)
    mirrored.require_own_fleet(fleet)
    at = clock.moment(at)
    new = NewDevice(uuid=uuid, name=name, device_type=device_type)
    (device,) = _create(fleet, [new], at, _by("preregistered", actor))
    _audit("device-preregistered", actor, device, at.at, after={"fleet": fleet.slug})
    return device, keys.issue(device, at=at.at)[1]


@transaction.atomic
def deactivate(*, device: Device, actor: Actor | None, at: datetime | Moment | None = None) -> bool:
    """Take a device out of service, while both its links are down. Returns whether it was active.

    Raises PermissionDenied, StillConnected, and Device.DoesNotExist where it was deleted meanwhile.
    """
    batch = _held(device, actor, Role.OPERATOR, at)
    Device.objects.only("pk").get(pk=device.pk)
    outcome = batch_actions.deactivate(batch)[device.pk]
    if outcome not in {batch_actions.CHANGED, batch_actions.UNCHANGED}:
        raise StillConnected(outcome)
    return outcome == batch_actions.CHANGED


@transaction.atomic
def move(
    *,
    device: Device,
    fleet: Fleet,
    actor: Actor | None,
    seen: str | None = None,
    at: datetime | Moment | None = None,
) -> bool:
    """Move a device to another fleet of its organization; it keeps its history. False: it was there already.

    `seen` is the slug of the fleet that the person saw it in. Raises PermissionDenied, OtherOrganization,
    FleetGone, ChangedMeanwhile, and Device.DoesNotExist where the device was deleted meanwhile.
    """
    batch = _held(device, actor, Role.OPERATOR, at)
    if fleet.organization_id != device.organization_id:
        raise OtherOrganization(f"{fleet} belongs to another organization than {device}.")
    was = Device.objects.select_related("fleet").only("fleet__name", "fleet__slug").get(pk=device.pk)
    vpn_enabled, _ = defaults(fleet)
    mirrored.require_own_fleet(fleet)
    if was.fleet_id == fleet.pk:
        return False
    if seen is not None and was.fleet.slug != seen:
        raise ChangedMeanwhile(f"The fleet of {device}", was.fleet)
    return batch_actions.move(batch, fleet=fleet, vpn_enabled=vpn_enabled)[device.pk] == batch_actions.CHANGED


@transaction.atomic
def delete(*, device: Device, actor: Actor | None, at: datetime | Moment | None = None) -> None:
    """Delete a device with facts and keys; digests of its keys are kept 90 days, its history until retention.

    Raises PermissionDenied, and Device.DoesNotExist where it was deleted meanwhile.
    """
    batch = _held(device, actor, Role.ADMINISTRATOR, at)
    Device.objects.only("pk").get(pk=device.pk)
    batch_actions.delete(batch)


def _held(
    device: Device, actor: Actor | None, least: Role, at: datetime | Moment | None
) -> batch_actions.Batch:
    """A batch of this device, with its organization locked and its facts settled. Raises PermissionDenied."""
    at = clock.moment(at)
    locks.hold([device.organization_id])
    roles.require(actor, least, device.organization)  # roles change with the organization locked
    mirrored.require_own(device.pk)
    settle_devices([device.pk], at)
    return batch_actions.Batch([device.pk], device.organization, actor, at)


def _create(
    fleet: Fleet,
    new: Sequence[NewDevice],
    at: Moment,
    reason: dict[str, str],
    *,
    own_names: bool = False,
    **facts: object,
) -> list[Device]:
    """Insert the devices by one statement; `own_names`: they told their names themselves."""
    uuids = [each.uuid or secrets.token_hex(16) for each in new]
    if not all(re.fullmatch(UUID_PATTERN, uuid) for uuid in uuids):
        raise InvalidUuid("A UUID has 32 or 62 lower-case hexadecimal characters.")
    locks.hold([fleet.organization_id])
    vpn_enabled, fleets_type = defaults(fleet)
    alike = Device(
        organization_id=fleet.organization_id,
        fleet=fleet,
        vpn_enabled=vpn_enabled,
        created_at=at.at,
        facts_at=at.at,
        facts_reason=reason,
        **facts,
    )
    own = _columns(alike, new, fleets_type, own_names=own_names)
    with unique_violation(lambda _: UuidTaken(f"There is already a device {', '.join(uuids)}.")):
        ids = insert_copies(alike, uuid=uuids, **own)
    freezing.refreeze(fleet.organization_id, at, ids)
    made = Device.objects.select_related("organization", "fleet").in_bulk(ids)
    return [made[pk] for pk in ids]


def _columns(
    alike: Device, new: Sequence[NewDevice], fleets_type: str, *, own_names: bool
) -> dict[str, list[Any]]:
    """In what new devices differ from `alike`, by column: a value for each of them."""
    names = [_label(each.name) for each in new]
    types = [_label(each.device_type) or fleets_type for each in new]
    reports = [as_kept(each.reported) for each in new]
    told = sorted({name for report in reports for name in report})
    reported = {name: [report.get(name, getattr(alike, name)) for report in reports] for name in told}
    return reported | {"name": names, "device_type": types} | ({"own_name": names} if own_names else {})


def _label(text: str) -> str:
    """A name or a type as it is stored, normalized as by a form, so that an export of it imports equally."""
    return kept(text)[:LONGEST].strip()


def defaults(fleet: Fleet) -> tuple[bool, str]:
    """The fleet's present VPN setting (unset: False) and device type; its organization is locked.

    Raises FleetGone.
    """
    row = Fleet.objects.filter(pk=fleet.pk).values_list("vpn_enabled", "device_type").first()
    if row is None:
        raise FleetGone(f"{fleet} was deleted meanwhile.")
    vpn_enabled, device_type = row
    return bool(vpn_enabled), device_type


def _by(slug: str, actor: Actor | None) -> dict[str, str]:
    return {"slug": slug} | ({"by": actor.get_username()} if actor else {})


def _audit(
    action: str,
    actor: Actor | None,
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
