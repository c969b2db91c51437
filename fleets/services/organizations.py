"""Creating, renaming and deleting organizations; devices/freezing changes their plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils.text import slugify

from fleets import audit
from fleets.access import locks, people, roles
from fleets.models import FleetType, Membership, Organization, Role
from fleets.postgres import clock
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from fleets.actor import Actor, Person

MOST: Final = 100  # organizations of which a person may be Owner
SLUG_LENGTH: Final = 90  # characters taken from the name; the rest of the column is for a number


class TooMany(Exception):
    """The person is Owner of MOST organizations already; the message tells what to do."""


class HasDevices(Exception):
    """The organization has devices, so it is not deleted; `devices` is their number."""

    def __init__(self, organization: Organization, devices: int) -> None:
        super().__init__(
            f"{organization} has 1 device." if devices == 1 else f"{organization} has {devices} devices."
        )
        self.devices = devices


class PlanInUse(Exception):
    """Plan, allowance, unpaid invoices or a fleet of type Paid are in use, so pages keep showing the plan."""


@dataclass(frozen=True)
class Contents:
    """How much is in an organization, and is deleted with it."""

    devices: int
    fleets: int
    keys: int  # provisioning, service and API keys that are not revoked
    members: int
    invitations: int  # not used


def contents(organization: Organization) -> Contents:
    """Count what is in the organization at this moment."""
    return Contents(
        devices=organization.devices.count(),
        fleets=organization.fleets.count(),
        keys=organization.api_keys.filter(revoked_at=None).count(),
        members=organization.memberships.count(),
        invitations=organization.invitations.filter(used_at=None).count(),
    )


@transaction.atomic
def create(*, name: str, actor: Person, seen: str | None = None, at: datetime | None = None) -> Organization:
    """Create an organization whose Owner is the actor; its slug is derived from the name.

    `seen` is the slug of the actor's newest organization when the form was opened ("" for none), so that a
    form sent twice creates one organization and returns it both times; None: not checked. Raises TooMany.
    """
    at = at or clock.now()
    people.hold(actor)
    last = newest(actor)
    if last and seen is not None and last.slug != seen and last.name == name:
        return last
    _require_room(actor)
    organization = next(filter(None, (_insert(name, slug) for slug in _slugs(name))))
    Membership.objects.create(organization=organization, user_id=actor.pk, role=Role.OWNER)
    after = {"name": name, "owner": actor.get_username()}
    _audit("organization-created", actor, organization, at, after=after)
    return organization


def _require_room(person: Person) -> None:
    """Raise TooMany if the person owns MOST organizations; the caller has locked the person's account."""
    if Membership.objects.filter(user=person.pk, role=Role.OWNER).count() >= MOST:
        raise TooMany(
            f"You are already Owner of {MOST} organizations, which is the limit. Delete one, or make"
            " somebody else Owner of it and leave."
        )


def newest(person: Person) -> Organization | None:
    """The organization of which this person became Owner last; None if they own none."""
    owned = Membership.objects.filter(user=person.pk, role=Role.OWNER).select_related("organization")
    membership = owned.order_by("-pk").first()
    return membership.organization if membership else None


@transaction.atomic
def rename(*, organization: Organization, name: str, actor: Actor | None, at: datetime | None = None) -> None:
    """Change the organization's name; its slug stays. Raises PermissionDenied."""
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    before = Organization.objects.get(pk=organization.pk)
    if before.name == name:
        return
    Organization.objects.filter(pk=organization.pk).update(name=name)
    names = {"before": {"name": before.name}, "after": {"name": name}}
    _audit("organization-renamed", actor, before, at or clock.now(), **names)


@transaction.atomic
def show_plan(
    *, organization: Organization, shown: bool, actor: Actor | None, at: datetime | None = None
) -> None:
    """Set whether pages show plan, allowance and paid types. Raises PermissionDenied, PlanInUse."""
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    now = Organization.objects.get(pk=organization.pk)
    if now.shows_plan == shown and now.has_plan == shown:
        return
    now.shows_plan = shown
    paid = organization.fleets.filter(type=FleetType.PAID)
    if not shown and (now.has_plan or paid.exists()):
        raise PlanInUse(f"{organization} uses its plan.")
    Organization.objects.filter(pk=organization.pk).update(shows_plan=shown)
    change = {"before": {"shown": not shown}, "after": {"shown": shown}}
    _audit("plan-shown", actor, now, at or clock.now(), **change)


@transaction.atomic
def delete(*, organization: Organization, actor: Actor | None, at: datetime | None = None) -> None:
    """Delete an organization that has no devices, with its fleets, keys, members and invitations.

    Its lines in the audit log stay. Raises PermissionDenied, HasDevices.
    """
    # A stronger lock than locks.hold, so that inserts of fleets, keys and members wait as well.
    list(Organization.objects.select_for_update().filter(pk=organization.pk).values_list("pk"))
    roles.require(actor, Role.OWNER, organization)
    if devices := organization.devices.count():
        raise HasDevices(organization, devices)
    members = organization.memberships.order_by("pk")
    before = {
        "fleets": list(organization.fleets.values_list("slug", flat=True)),
        "members": list(members.values_list("user__username", flat=True)),
    }
    organization.fleets.all().delete()
    Organization.objects.filter(pk=organization.pk).delete()
    _audit("organization-deleted", actor, organization, at or clock.now(), before=before)


def _slugs(name: str) -> Iterator[str]:
    """Slugs for a name that are not taken: the plain one, then with -2, -3, ... at its end."""
    plain = slugify(name)[:SLUG_LENGTH].strip("-_") or "organization"
    taken = set(Organization.objects.filter(slug__startswith=plain).values_list("slug", flat=True))
    numbered = (f"{plain}-{number}" for number in count(2))
    return (slug for slug in chain([plain], numbered) if slug not in taken)


class _SlugTaken(Exception):
    """An organization has this slug already."""


def _insert(name: str, slug: str) -> Organization | None:
    """Insert the organization; None if another transaction took the slug first."""
    try:
        with unique_violation(lambda _: _SlugTaken()):
            organization = Organization.objects.create(name=name, slug=slug)
    except _SlugTaken:
        return None
    return organization


def _audit(action: str, actor: Actor | None, organization: Organization, at: datetime, **change: Any) -> None:
    subject = ("organization", organization.slug, organization.name)
    audit.record(action, actor=actor, organization=organization, subject=subject, at=at, **change)
