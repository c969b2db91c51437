"""An organization's own links and commands for each of its devices: added, changed, deleted, and audited."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock
from devices.models import DeviceLink
from devices.rules import link_template
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Organization, Role
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from fleets.actor import Actor

MOST: Final = 10  # of an organization


class NameTaken(Exception):
    """The organization has a device link of that name."""


class TooMany(Exception):
    """The organization has as many device links as there may be."""


def version_of(link: DeviceLink) -> str:
    """Names what the device link is, so that a change can tell whether it was made up from it."""
    return version([link.name, link.template])


@transaction.atomic
def add(
    *, organization: Organization, name: str, template: str, actor: Actor | None, at: datetime | None = None
) -> DeviceLink:
    """Keep an address or a command for every device of the organization; `actor` None: the console.

    Raises PermissionDenied below Administrator, NameTaken, TooMany, and ValidationError where the template
    cannot be used.
    """
    _hold(organization, actor)
    if DeviceLink.objects.filter(organization=organization).count() >= MOST:
        raise TooMany
    link = DeviceLink(organization=organization, name=name, template=link_template.checked(template))
    _store(link)
    _audit("device-link-added", link, actor, at, after=_told(link))
    return link


@transaction.atomic
def change(
    *,
    link: DeviceLink,
    seen: str,
    name: str,
    template: str,
    actor: Actor | None,
    at: datetime | None = None,
) -> DeviceLink:
    """Give it another name or template, made up from its version `seen`.

    Raises PermissionDenied below Administrator, NameTaken, ValidationError where the template cannot be used,
    ChangedMeanwhile, and DeviceLink.DoesNotExist where it was deleted.
    """
    now = _held(link, actor)
    known, before = version_of(now), _told(now)
    now.name, now.template = name, link_template.checked(template)
    after = _told(now)
    if after == before:
        return now
    if seen != known:
        now.refresh_from_db()
        raise ChangedMeanwhile(now, now)
    _store(now)
    differ = [field for field in after if after[field] != before[field]]
    was, became = ({field: told[field] for field in differ} for told in (before, after))
    _audit("device-link-changed", now, actor, at, before=was, after=became)
    return now


@transaction.atomic
def delete(*, link: DeviceLink, actor: Actor | None, at: datetime | None = None) -> None:
    """Forget it. Raises PermissionDenied below Administrator, DeviceLink.DoesNotExist where it is gone."""
    now = _held(link, actor)
    _audit("device-link-deleted", now, actor, at, before=_told(now))
    now.delete()


def _hold(organization: Organization, actor: Actor | None) -> None:
    locks.hold([organization.pk])
    roles.require(actor, Role.ADMINISTRATOR, organization)


def _held(link: DeviceLink, actor: Actor | None) -> DeviceLink:
    """The device link as it is, for who may change it."""
    _hold(link.organization, actor)
    return DeviceLink.objects.select_related("organization").get(pk=link.pk)


def _told(link: DeviceLink) -> dict[str, str]:
    return {"name": link.name, "template": link.template}


def _store(link: DeviceLink) -> None:
    with unique_violation(lambda _: NameTaken()):
        link.save()


def _audit(action: str, link: DeviceLink, actor: Actor | None, at: datetime | None, **changes: Any) -> None:
    audit.record(
        action,
        actor=actor,
        organization=link.organization,
        subject=("device-link", str(link.uuid), link.name),
        at=at or clock.now(),
        **changes,
    )
