"""What a person wants of alerts: quiet hours, and whether e-mail of an organization. Each person says it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from devices import clock
from devices.alerts import hours, looking
from devices.alerts.hours import Hours
from devices.models import Follow, QuietHours
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
def want_email(*, actor: Person, organization: Organization, email: bool) -> None:
    """Send this person mail of the organization's alerts, or none. Raises PermissionDenied."""
    roles.require(actor, Role.OBSERVER, organization)
    general: dict[str, Any] = {"organization": organization, "rule": None, "view": None, "severity": ""}
    if email:
        Follow.objects.filter(person_id=actor.pk, **general).delete()
    else:
        Follow.objects.update_or_create(person_id=actor.pk, **general, defaults={"email": False})


def quiet_of(person: Person) -> tuple[Hours | None, bool]:
    """The person's quiet hours, and whether critical incidents pass."""
    found = QuietHours.objects.filter(person_id=person.pk).first()
    if found is None:
        return None, True
    return hours.read({"zone": found.zone, "weekly": found.weekly}), found.critical_passes


def without_email(person: Person, organizations: Iterable[Organization]) -> set[int]:
    """Those of the organizations, by primary key, of whose alerts the person takes no mail."""
    general = Follow.objects.filter(
        person_id=person.pk, organization__in=organizations, rule=None, view=None, severity="", email=False
    )
    return set(general.values_list("organization", flat=True))
