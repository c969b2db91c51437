"""Targets of an organization: created, changed, paused, resumed, deleted.

All of it is for Administrators. What each kind needs is in its transport; secrets are written and never read
back, except by what sends.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock
from devices.alerts import handing, looking, secrets, target_values, transports
from devices.alerts.refusals import Invalid, TooMany
from devices.alerts.target_values import Wanted
from devices.alerts.transports import webhook
from devices.models import AlertTarget
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Actor

MOST: Final = 50  # of an organization
ROTATION: Final = timedelta(hours=24)  # in which the former secret signs too
Kind = AlertTarget.Kind
State = AlertTarget.State


def version_of(target: AlertTarget) -> str:
    """Names what the target is, so that a change can tell whether it was made up from it."""
    return version([_told(target), target.secret_end])


@transaction.atomic
def create(
    *, organization: Organization, wanted: Wanted, actor: Actor | None, at: datetime | None = None
) -> tuple[AlertTarget, str]:
    """Create a target; returns it with the secret that signs for a webhook, "" for another kind.

    The secret cannot be read again. Raises PermissionDenied, Invalid, TooMany.
    """
    at = at or clock.now()
    locks.hold([organization.pk])
    roles.require(actor, Role.ADMINISTRATOR, organization)
    if wanted.kind == Kind.PAGE:
        raise Invalid("kind", "Each organization has its page already.")
    if wanted.kind not in transports.offered():
        raise Invalid("kind", "This site has no such targets.")
    if AlertTarget.objects.filter(organization=organization, person=None).count() >= MOST:
        raise TooMany
    secret = webhook.new_secret() if wanted.kind == Kind.WEBHOOK else ""
    target = AlertTarget(organization=organization, kind=wanted.kind, state_since=at)
    target_values.put(target, wanted, {"secret": secret} if secret else {})
    target.save()
    record("alert-target-created", target, actor, at, after=_told(target))
    return target, secret


@transaction.atomic
def change(
    *, target: AlertTarget, wanted: Wanted, seen: str, actor: Actor | None, at: datetime | None = None
) -> AlertTarget:
    """Give it another name or other values, made up from its version `seen`; its kind stays.

    Another e-mail address must be confirmed again. Raises PermissionDenied, Invalid, ChangedMeanwhile,
    AlertTarget.DoesNotExist.
    """
    at, now = at or clock.now(), held(target, actor)
    if version_of(now) != seen:
        raise ChangedMeanwhile(now.name, now)
    before = _told(now)
    target_values.put(now, wanted, _kept(now))
    if now.kind == Kind.EMAIL and now.configuration != before["configuration"]:
        now.confirmed_at = None
    now.save()
    record("alert-target-changed", now, actor, at, before=before, after=_told(now))
    return now


@transaction.atomic
def pause(*, target: AlertTarget, actor: Actor | None, at: datetime | None = None) -> None:
    """Send it nothing until it is resumed. Raises PermissionDenied; Invalid for the page."""
    at, now = at or clock.now(), held(target, actor)
    if now.kind == Kind.PAGE:
        raise Invalid("target", "The page always tells.")
    if now.enabled:
        AlertTarget.objects.filter(pk=now.pk).update(enabled=False)
        looking.look_again(now.organization_id, at)
        record("alert-target-paused", now, actor, at)


@transaction.atomic
def resume(*, target: AlertTarget, actor: Actor | None, at: datetime | None = None) -> None:
    """Send to it again, also where it was paused because it refused messages. Raises PermissionDenied."""
    at, now = at or clock.now(), held(target, actor)
    if now.enabled and now.state != State.PAUSED:
        return
    values: dict[str, Any] = {"enabled": True, "refused_in_row": 0}
    if now.state == State.PAUSED:
        values |= {"state": State.NEW, "state_since": at}
    AlertTarget.objects.filter(pk=now.pk).update(**values)
    looking.look_again(now.organization_id, at)
    handing.wake([now.pk])
    record("alert-target-resumed", now, actor, at)


@transaction.atomic
def delete(*, target: AlertTarget, actor: Actor | None, at: datetime | None = None) -> None:
    """Delete it with its messages; no rule tells it any longer.

    Raises PermissionDenied; Invalid for the page.
    """
    at, now = at or clock.now(), held(target, actor)
    if now.kind == Kind.PAGE:
        raise Invalid("target", "The page always tells.")
    record("alert-target-deleted", now, actor, at, before=_told(now))
    now.delete()


@transaction.atomic
def rotate_secret(*, target: AlertTarget, actor: Actor | None, at: datetime | None = None) -> str:
    """A new secret of a webhook, which cannot be read again. For ROTATION both secrets sign each message.

    Raises PermissionDenied; Invalid for another kind.
    """
    at, now = at or clock.now(), held(target, actor)
    if now.kind != Kind.WEBHOOK:
        raise Invalid("target", "Only a webhook has a secret that signs.")
    secret, former = webhook.new_secret(), _kept(now).get("secret", "")
    until = (at + ROTATION).isoformat()
    secrets.write(now, {"secret": secret, "former": former, secrets.UNTIL: until})
    now.save(update_fields=["secrets", "secret_end"])
    record("alert-secret-rotated", now, actor, at)
    return secret


def held(target: AlertTarget, actor: Actor | None) -> AlertTarget:
    """The target as it is, locked, for those who may change it."""
    locks.hold([target.organization_id])
    roles.require(actor, Role.ADMINISTRATOR, target.organization)
    return AlertTarget.objects.select_for_update(no_key=True).get(pk=target.pk)


def _kept(target: AlertTarget) -> dict[str, str]:
    """The secrets of a target as they are stored; none where they must be entered again."""
    try:
        return secrets.stored(target)
    except secrets.Unreadable:
        return {}


def _told(target: AlertTarget) -> dict[str, Any]:
    """The target as the audit log tells it, without secrets."""
    names = ("kind", "name", "role", "configuration", "enabled")
    return {name: getattr(target, name) for name in names}


def record(action: str, target: AlertTarget, actor: Actor | None, at: datetime, **facts: Any) -> None:
    """Write a line about a target to the audit log; `facts`: before and after, without secrets."""
    subject = ("alert-target", str(target.uuid), target.name)
    audit.record(action, actor=actor, organization=target.organization, subject=subject, at=at, **facts)
