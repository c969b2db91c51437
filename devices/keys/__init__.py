"""Keys: random texts, shown once, of which only a keyed digest is kept (protocol.md, Keys)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from psycopg.errors import UniqueViolation

from devices import clock
from devices.keys import audit as key_audit
from devices.models import ApiKey, Device, FormerKey, Heartbeat
from fleets.access import roles
from fleets.access.digests import digests
from fleets.models import Role
from fleets.text import kept

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.db.models import QuerySet

    from fleets.actor import Actor
    from fleets.models import Fleet, Organization


CHOSEN_LENGTH: Final = 32  # characters that a key chosen by a device has at least
CHOSEN_KINDS: Final = 8  # different ones among them; 32 random hex digits have fewer once in 25 million
LOOK_UP: Final = timedelta(hours=24)  # how long a provisioning key may act for what it registered
FORMER_KEPT: Final = timedelta(days=90)  # how long a deleted device's agent is told from a stranger
LIVE_DEVICE_KEYS: Final = 2  # the one in use, and during a rotation the one to come


class Guessable(ValueError):
    """A key chosen by a device is too short, or nobody would call it random, or no call could name it."""


class KeyTaken(Exception):
    """The chosen key is, or was, a key of somebody already."""


class NotAllowed(Exception):
    """The key is live but not for this."""


class TooMany(Exception):
    """The device has two live keys already: one must go before a third comes."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The device whose live key was presented, with what every call of a device needs to know."""

    device_id: int
    uuid: str
    name: str
    organization_id: int
    frozen_reason: str
    vpn_enabled: bool
    poll_interval: int  # seconds, in force: device over fleet over site


@transaction.atomic
def new_device_key(
    device: Device,
    *,
    actor: Actor | None = None,
    at: datetime | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A key for the device, beside the one it may have. Raises PermissionDenied, TooMany."""
    roles.require(actor, Role.OPERATOR, device.organization)
    at = at or clock.now()
    made, key = issue(device, at=at, expires_at=expires_at)
    key_audit.record("key-created", made, actor=actor, at=at, after=key_audit.facts(made))
    return key


def issue(device: Device, *, at: datetime, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """The same as a part of something larger, which stands in the audit log itself. Raises TooMany."""
    key = secrets.token_hex(32)  # no dash in front, which a command would take for an option
    return _keep_device_key(device, key, at, expires_at), key


@transaction.atomic
def keep_device_key(device: Device, key: str, *, at: datetime | None = None) -> None:
    """Take over a key that the device chose. Raises Guessable, KeyTaken, TooMany."""
    _require_random(key, device)
    if ApiKey.objects.filter(digest__in=digests(key)).exists():
        raise KeyTaken("This key is in use already.")
    _keep_device_key(device, key, at or clock.now())


def _require_random(key: str, device: Device) -> None:
    """Refuse what can be guessed: too few characters, hardly different ones, a repetition, the UUID.

    And what no header can carry as it is: the device would be refused with it for ever.
    """
    if not re.fullmatch("[!-~]*", key):
        raise Guessable("A key consists of ASCII letters, digits and signs, without spaces.")
    if len(key) < CHOSEN_LENGTH:
        raise Guessable(f"A key has {CHOSEN_LENGTH} characters or more.")
    if len(set(key)) < CHOSEN_KINDS or key in (key + key)[1:-1] or device.uuid in key.lower():
        raise Guessable(
            f"A key is random: {CHOSEN_KINDS} different characters or more, no text repeated, not the UUID."
        )


@transaction.atomic
def exchange(*, device_id: int, caller: ApiKey, new_key: str, at: datetime | None = None) -> None:
    """The device's key is from now on the one it chose, and no other.

    `caller` is the live key that asks: the device's own, or the provisioning key it registered with as long
    as that may look it up. Repeating an exchange changes nothing. Raises NotAllowed (also where there is no
    such device), Guessable, KeyTaken.
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


@transaction.atomic
def new_provisioning_key(
    fleet: Fleet, name: str = "", *, actor: Actor | None = None, expires_at: datetime | None = None
) -> str:
    """A key with which the fleet's devices register. Raises PermissionDenied."""
    _require_administrator(actor, fleet.organization)
    key = secrets.token_hex(32)  # no dash in front, which a command would take for an option
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
    """A key for the VPN servers of an organization; of the whole site where it is None.

    `actor` is the person who asks; None: the console. Raises PermissionDenied.
    """
    _require_administrator(actor, organization)
    key = secrets.token_hex(32)  # no dash in front, which a command would take for an option
    facts = {"organization": organization, "expires_at": expires_at}
    made = _create(key, ApiKey.Kind.SERVICE, name=kept(name), **facts)
    key_audit.record("key-created", made, actor=actor, at=clock.now(), after=key_audit.facts(made))
    return key


def fingerprint(key: ApiKey) -> str:
    """Names a key without helping to guess it."""
    return key.fingerprint


def live_keys(kind: ApiKey.Kind, at: datetime) -> QuerySet[ApiKey]:
    return _live_keys(at).filter(kind=kind)


def _live_keys(at: datetime) -> QuerySet[ApiKey]:
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=at)
    return ApiKey.objects.filter(unexpired, revoked_at__isnull=True)


def is_known(key: str, at: datetime | None = None) -> bool:
    """Whether it is a live key of any kind, or was that of a device deleted since: not a stranger's."""
    live = _live_keys(at or clock.now()).filter(digest__in=digests(key))
    return live.exists() or former(key) is not None


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


# One array, and SQL of our own: an ORM list of so many parameters costs more than the search.
FIND_DEVICES: Final = """
SELECT k.digest, k.device_id, d.uuid, d.name, k.organization_id, d.frozen_reason, d.vpn_enabled,
       COALESCE(d.poll_interval, f.poll_interval, %(interval)s)
FROM devices_apikey k JOIN devices_device d ON d.id = k.device_id JOIN fleets_fleet f ON f.id = d.fleet_id
WHERE k.digest = ANY(%(digests)s) AND k.kind = 'device' AND k.revoked_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > %(at)s)
"""


def named(text: str) -> ApiKey | None:
    """The key that this text is, or whose fingerprint it is; None where that is not exactly one."""
    if re.fullmatch("[0-9a-f]{12}", text):
        start = bytes.fromhex(text)
        matching = ApiKey.objects.filter(digest__range=(start, start.ljust(32, b"\xff")))
    else:
        matching = ApiKey.objects.filter(digest__in=digests(text))
    found = list(matching[:2])
    return found[0] if len(found) == 1 else None


@transaction.atomic
def revoke(key: ApiKey, at: datetime | None = None, *, actor: Actor | None = None) -> bool:
    """Accept the key no more, from this moment on; false if it was revoked before. Raises PermissionDenied.

    A device's key is an operator's business, the others an administrator's.
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
    """A new key for the device in place of all it had."""
    at = at or clock.now()
    live = live_keys(ApiKey.Kind.DEVICE, at).filter(device=device)
    before = {"key": [each.fingerprint for each in live.order_by("pk")]}
    live.update(revoked_at=at)
    made, key = issue(device, at=at)
    key_audit.record("key-rotated", made, actor=None, at=at, before=before, after={"key": made.fingerprint})
    return key


def former(key: str) -> FormerKey | None:
    """The deleted device's key that this is. A key that is live again is asked for first."""
    return FormerKey.objects.filter(digest__in=digests(key)).first()


def forget_former(at: datetime | None = None) -> int:
    """Drop the former keys of devices deleted long ago; returns how many."""
    return FormerKey.objects.filter(deleted_at__lte=(at or clock.now()) - FORMER_KEPT).delete()[0]


def _keep_device_key(device: Device, key: str, at: datetime, expires_at: datetime | None = None) -> ApiKey:
    # Locked, so that two who add a key at once count each other's.
    organization_id = (
        Device.objects.select_for_update(no_key=True).values_list("organization", flat=True).get(pk=device.pk)
    )
    if live_keys(ApiKey.Kind.DEVICE, at).filter(device=device).count() >= LIVE_DEVICE_KEYS:
        raise TooMany(f"{device} has {LIVE_DEVICE_KEYS} live keys already: revoke one first.")
    facts = {"device": device, "organization_id": organization_id, "expires_at": expires_at}
    made = _create(key, ApiKey.Kind.DEVICE, **facts)
    FormerKey.objects.filter(digest__in=digests(key)).delete()
    return made


def _require_administrator(actor: Actor | None, organization: Organization | None) -> None:
    """Of the organization; of the site where the key is for all of them."""
    if organization is not None:
        roles.require(actor, Role.ADMINISTRATOR, organization)
    elif actor is not None and not actor.is_superuser:
        raise PermissionDenied("This needs an administrator of the site.")


def _create(key: str, kind: ApiKey.Kind, **facts: Any) -> ApiKey:
    try:
        with transaction.atomic():
            return ApiKey.objects.create(kind=kind, digest=digests(key)[0], **facts)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise KeyTaken("This key is in use already.") from error
