"""Creating, accepting, exchanging and revoking keys; each with its line in the audit log."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import PermissionDenied
from django.db import transaction

from devices import clock
from devices.keys import audit as key_audit
from devices.keys import mirrored
from devices.keys.lookup import live_keys, may_look_up
from devices.models import ApiKey, Device, FormerKey
from fleets.access import roles
from fleets.access.digests import digests
from fleets.models import Role
from fleets.postgres.bulk_insert import insert_copies
from fleets.postgres.unique import unique_violation
from fleets.text import kept

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fleets.actor import Actor
    from fleets.models import Fleet, Organization

CHOSEN_LENGTH: Final = 32  # the least number of characters of a key that a device chose
CHOSEN_KINDS: Final = (
    8  # the least number of different characters; 32 random hex digits have them almost always
)
LIVE_DEVICE_KEYS: Final = 2  # the most live keys of a device: one in use, and a new one during a rotation


PREFIXES: Final = {  # by which people, and scanners for secrets in files, recognize a key
    ApiKey.Kind.DEVICE: "lko_d_",
    ApiKey.Kind.PROVISIONING: "lko_p_",
    ApiKey.Kind.SERVICE: "lko_s_",
}


class Guessable(ValueError):
    """A key that a device chose is too short, not random, or cannot be sent in a header."""


class KeyTaken(Exception):
    """The chosen key is, or was, the key of another device or purpose."""


class NotAllowed(Exception):
    """The key is live, but does not permit the operation."""


class TooMany(Exception):
    """The device has LIVE_DEVICE_KEYS live keys already; one must be revoked before another is created."""


def fresh(kind: ApiKey.Kind) -> str:
    """A new random text for a key of this kind.

    It never begins with a dash, as an option of a command does.
    """
    return f"{PREFIXES[kind]}{secrets.token_hex(32)}"


@transaction.atomic
def new_device_key(
    device: Device,
    *,
    actor: Actor | None = None,
    at: datetime | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A new key for the device, in addition to its present one; returns its text.

    `expires_at` None: it does not expire. Raises PermissionDenied, TooMany.
    """
    roles.require(actor, Role.OPERATOR, device.organization)
    mirrored.require_own(device.pk)
    at = at or clock.now()
    made, key = issue(device, at=at, expires_at=expires_at)
    key_audit.record("key-created", made, actor=actor, at=at, after=key_audit.facts(made))
    return key


def issue(device: Device, *, at: datetime, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new key for the device and its text, without a role check or a line in the audit log.

    For operations that do both themselves. Raises TooMany.
    """
    key = fresh(ApiKey.Kind.DEVICE)
    return _keep_device_key(device, key, at, expires_at), key


def issue_all(devices: Sequence[Device], chosen: Sequence[str | None], *, at: datetime) -> list[str]:
    """A key for each of these devices, of one organization and without one: what it chose, or a new one.

    Returns their texts, without a line in the audit log. Raises Guessable, KeyTaken.
    """
    for device, key in zip(devices, chosen, strict=True):
        if key is not None:
            _require_random(key, device)
    wanted = [digest for key in chosen if key is not None for digest in digests(key)]
    if wanted and ApiKey.objects.filter(digest__in=wanted).exists():
        raise KeyTaken("This key is already in use.")
    texts = [fresh(ApiKey.Kind.DEVICE) if key is None else key for key in chosen]
    alike = ApiKey(kind=ApiKey.Kind.DEVICE, organization_id=devices[0].organization_id, created_at=at)
    with unique_violation(lambda _: KeyTaken("This key is already in use.")):
        ids = [device.pk for device in devices]
        insert_copies(alike, device=ids, digest=[digests(key)[0] for key in texts])
    FormerKey.objects.filter(digest__in=wanted).delete()
    return texts


@transaction.atomic
def keep_device_key(device: Device, key: str, *, at: datetime | None = None) -> None:
    """Accept a key that the device chose as its key. Raises Guessable, KeyTaken, TooMany."""
    _require_random(key, device)
    if ApiKey.objects.filter(digest__in=digests(key)).exists():
        raise KeyTaken("This key is already in use.")
    _keep_device_key(device, key, at or clock.now())


def _require_random(key: str, device: Device) -> None:
    """Raises Guessable for a key that can be guessed: short, of few characters, repetitive, or the UUID.

    Also for a key that no header can carry, with which the device would always be refused.
    """
    if not re.fullmatch("[!-~]*", key):
        raise Guessable("A key consists of ASCII letters, digits and signs, without spaces.")
    if len(key) < CHOSEN_LENGTH:
        raise Guessable(f"A key has {CHOSEN_LENGTH} characters or more.")
    if len(set(key)) < CHOSEN_KINDS or key in (key + key)[1:-1] or device.uuid in key.lower():
        raise Guessable(
            f"A key must be random. It has {CHOSEN_KINDS} different characters or more, repeats no text "
            f"and is not the UUID."
        )


@transaction.atomic
def exchange(*, device_id: int, caller: ApiKey, new_key: str, at: datetime | None = None) -> None:
    """Replace all keys of the device with this id by `new_key`, which it chose.

    `caller` is the live key of the call: the device's own, or the provisioning key that it registered with,
    as long as that may look it up. Repeating an exchange changes nothing. Raises NotAllowed (also where there
    is no such device), Guessable, KeyTaken.
    """
    at = at or clock.now()
    device = Device.objects.select_for_update(no_key=True, of=["self"]).filter(pk=device_id).first()
    if device is None or not (caller.device_id == device.pk or may_look_up(caller, device, at)):
        raise NotAllowed("This key cannot exchange that device's key.")
    if not live_keys(ApiKey.Kind(caller.kind), at).filter(pk=caller.pk).exists():
        raise NotAllowed("This key was replaced meanwhile.")
    live = live_keys(ApiKey.Kind.DEVICE, at).filter(device=device)
    others = live.exclude(digest__in=digests(new_key))
    before = {"key": [key.fingerprint for key in others.order_by("pk")]}
    others.update(revoked_at=at)
    own = live.first()
    if own is not None and not before["key"]:
        return
    if own is None:
        keep_device_key(device, new_key, at=at)
        own = live.get()
    after, by = {"key": own.fingerprint}, key_audit.holder(caller)
    key_audit.record("key-exchanged", own, actor=None, at=at, before=before, after=after, by=by)


@transaction.atomic
def new_provisioning_key(
    fleet: Fleet, name: str = "", *, actor: Actor | None = None, expires_at: datetime | None = None
) -> str:
    """A new key with which devices register in the fleet; returns its text.

    `expires_at` None: it does not expire. Raises PermissionDenied.
    """
    _require_administrator(actor, fleet.organization)
    mirrored.require_own_fleet(fleet)
    key = fresh(ApiKey.Kind.PROVISIONING)
    facts = {"fleet": fleet, "organization": fleet.organization}
    made = _create(key, ApiKey.Kind.PROVISIONING, name=kept(name), expires_at=expires_at, **facts)
    key_audit.record("key-created", made, actor=actor, at=clock.now(), after=key_audit.facts(made))
    return key


@transaction.atomic
def new_service_key(
    organization: Organization | None,
    name: str = "",
    *,
    actor: Actor | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A new key for the VPN servers of an organization, or of the site (None); returns its text.

    `actor` None: the console. `expires_at` None: it does not expire. Raises PermissionDenied.
    """
    _require_administrator(actor, organization)
    key = fresh(ApiKey.Kind.SERVICE)
    facts = {"organization": organization, "expires_at": expires_at}
    made = _create(key, ApiKey.Kind.SERVICE, name=kept(name), **facts)
    key_audit.record("key-created", made, actor=actor, at=clock.now(), after=key_audit.facts(made))
    return key


@transaction.atomic
def revoke(key: ApiKey, at: datetime | None = None, *, actor: Actor | None = None) -> bool:
    """Revoke the key from `at` on; False: it was revoked before. Raises PermissionDenied.

    Operators may revoke keys of devices, administrators all keys.
    """
    if key.kind == ApiKey.Kind.DEVICE and key.organization is not None:
        roles.require(actor, Role.OPERATOR, key.organization)
    else:
        _require_administrator(actor, key.organization)
    at = at or clock.now()
    if not ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=at):
        return False
    key_audit.record("key-revoked", key, actor=actor, at=at, before=key_audit.facts(key))
    return True


@transaction.atomic
def replace_device_key(device: Device, at: datetime | None = None) -> str:
    """Revoke all keys of the device and create a new one; returns its text."""
    at = at or clock.now()
    live = live_keys(ApiKey.Kind.DEVICE, at).filter(device=device)
    before = {"key": [key.fingerprint for key in live.order_by("pk")]}
    live.update(revoked_at=at)
    made, key = issue(device, at=at)
    key_audit.record("key-rotated", made, actor=None, at=at, before=before, after={"key": made.fingerprint})
    return key


def _keep_device_key(device: Device, key: str, at: datetime, expires_at: datetime | None = None) -> ApiKey:
    # Locked, so that of two transactions that add a key each counts the other's.
    organization_id = (
        Device.objects.select_for_update(no_key=True).values_list("organization", flat=True).get(pk=device.pk)
    )
    if live_keys(ApiKey.Kind.DEVICE, at).filter(device=device).count() >= LIVE_DEVICE_KEYS:
        raise TooMany(f"{device} already has {LIVE_DEVICE_KEYS} valid keys. Revoke one first.")
    facts = {"device": device, "organization_id": organization_id, "expires_at": expires_at}
    made = _create(key, ApiKey.Kind.DEVICE, **facts)
    FormerKey.objects.filter(digest__in=digests(key)).delete()
    return made


def _require_administrator(actor: Actor | None, organization: Organization | None) -> None:
    """Raises PermissionDenied unless the actor administers the organization, or the site (None)."""
    if organization is not None:
        roles.require(actor, Role.ADMINISTRATOR, organization)
    elif actor is not None and not actor.is_superuser:
        raise PermissionDenied("This requires an administrator of the site.")


def _create(key: str, kind: ApiKey.Kind, **facts: Any) -> ApiKey:
    with unique_violation(lambda _: KeyTaken("This key is already in use.")):
        created = ApiKey.objects.create(kind=kind, digest=digests(key)[0], **facts)
    return created
