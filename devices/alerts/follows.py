"""What a person wants of alerts, as they say themselves: quiet hours, and e-mail of which rules."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from devices import clock
from devices.alerts import digests, hours, looking
from devices.alerts.hours import Hours
from devices.models import AlertRule, AlertTarget, Follow, QuietHours, SavedView, Severity
from fleets.access import roles
from fleets.models import Membership, Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Person


@transaction.atomic
def keep_quiet(
    *, actor: Person, quiet: Hours | None, critical_passes: bool, at: datetime | None = None
) -> None:
    """Send this person no mail in these hours, but what is critical if that passes; None: at any time."""
    if quiet is None:
        QuietHours.objects.filter(person_id=actor.pk).delete()
    else:
        values = {**quiet.stored(), "critical_passes": critical_passes}
        QuietHours.objects.update_or_create(person_id=actor.pk, defaults=values)
    for organization in Membership.objects.filter(user_id=actor.pk).values_list("organization", flat=True):
        looking.look_again(organization, at or clock.now())


@transaction.atomic
def want_email(*, actor: Person, organization: Organization, email: bool, at: datetime | None = None) -> None:
    """Send this person mail of the organization's alerts, or none but what they follow.

    Raises PermissionDenied.
    """
    roles.require(actor, Role.OBSERVER, organization)
    write(actor.pk, organization, email=None if email else False, at=at or clock.now())


@transaction.atomic
def follow(
    *,
    actor: Person,
    organization: Organization,
    rule: AlertRule,
    email: bool | None,
    daily_at: int | None = None,
    at: datetime | None = None,
) -> None:
    """Send this person mail of a rule in any case, or never; None: where a step of it names their role.

    `daily_at`: in their digest, at this hour of their clocks; None: as it happens. Raises PermissionDenied,
    also for a rule of another organization.
    """
    roles.require(actor, Role.OBSERVER, organization)
    if rule.organization_id != organization.pk:
        raise PermissionDenied("This rule belongs to another organization.")
    write(actor.pk, organization, rule=rule, email=email, daily_at=daily_at, at=at or clock.now())


@transaction.atomic
def follow_severity(
    *,
    actor: Person,
    organization: Organization,
    severity: str,
    daily_at: int | None = None,
    at: datetime | None = None,
) -> None:
    """Send this person mail of all rules of this severity or a higher one; "": of none for that reason.

    `daily_at`: in their digest, at this hour of their clocks; None: as it happens. Raises PermissionDenied.
    """
    roles.require(actor, Role.OBSERVER, organization)
    mine = Follow.objects.filter(person_id=actor.pk, organization=organization, rule=None, view=None)
    mine.exclude(severity="").delete()
    at = at or clock.now()
    digests.reconsider(actor.pk, organization.pk, at)
    if severity:
        wanted = Severity(severity)
        write(actor.pk, organization, severity=wanted, email=True, daily_at=daily_at, at=at)


@transaction.atomic
def follow_views(
    *,
    actor: Person,
    organization: Organization,
    views: Collection[SavedView],
    daily_at: int | None = None,
    at: datetime | None = None,
) -> None:
    """Send this person mail of incidents with a device that one of these views lists; of no other view.

    `daily_at`: in their digest, at this hour of their clocks; None: as it happens. Raises PermissionDenied,
    also for a view that they do not see.
    """
    roles.require(actor, Role.OBSERVER, organization)
    seen = SavedView.objects.visible_to(actor, [organization]).filter(pk__in=[view.pk for view in views])
    if len(seen) != len(views):
        raise PermissionDenied("This view is somebody else's.")
    mine = Follow.objects.filter(person_id=actor.pk, organization=organization, view__isnull=False)
    mine.exclude(view__in=views).delete()
    at = at or clock.now()
    digests.reconsider(actor.pk, organization.pk, at)
    for view in views:
        write(actor.pk, organization, view=view, email=True, daily_at=daily_at, at=at)


def write(
    person: int,
    organization: Organization,
    *,
    email: bool | None,
    at: datetime,
    rule: AlertRule | None = None,
    view: SavedView | None = None,
    severity: str = "",
    daily_at: int | None = None,
) -> None:
    """Write that a person, by primary key, wants this mail, or not; None: that they say nothing of it.

    `daily_at`: in their digest, at this hour of their clocks; None: as it happens. What kept their own
    address from being sent to is forgotten, so that it is tried again.
    """
    about: dict[str, Any] = {"organization": organization, "rule": rule, "view": view, "severity": severity}
    if email is None:
        Follow.objects.filter(person_id=person, **about).delete()
    else:
        values: dict[str, Any] = {"email": email, "digest": Follow.Digest.NONE}
        if daily_at is not None:
            values |= {"digest": Follow.Digest.DAILY, "digest_hour": daily_at}
        Follow.objects.update_or_create(person_id=person, **about, defaults=values)
    digests.reconsider(person, organization.pk, at)
    own = AlertTarget.objects.filter(organization=organization, person_id=person)
    own.filter(state=AlertTarget.State.PAUSED).update(state=AlertTarget.State.NEW, refused_in_row=0)


def quiet_of(person: Person) -> tuple[Hours | None, bool]:
    """The person's quiet hours, and whether critical incidents pass."""
    found = QuietHours.objects.filter(person_id=person.pk).first()
    if found is None:
        return None, True
    return hours.read({"zone": found.zone, "weekly": found.weekly}), found.critical_passes
