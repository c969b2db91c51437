"""Mutes: that a device, a saved view, a rule or an incident is not told of for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet

from devices import clock
from devices.alerts import looking
from devices.alerts.refusals import Invalid, TooMany
from devices.models import AlertRule, Device, Incident, Mute, SavedView
from fleets import audit
from fleets.access import locks, roles
from fleets.models import Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Person

LONGEST: Final = timedelta(days=7)  # for all
LONGEST_OWN: Final = timedelta(days=365)  # for oneself
MOST: Final = 500  # of an organization that last

Muted = Device | SavedView | AlertRule | Incident
FIELDS: Final[dict[type, str]] = {
    Device: "device",
    SavedView: "view",
    AlertRule: "rule",
    Incident: "incident",
}


@transaction.atomic
def mute(
    *,
    what: Muted,
    organization: Organization,
    until: datetime,
    actor: Person,
    for_all: bool,
    note: str = "",
    at: datetime | None = None,
) -> Mute:
    """Tell nobody of it until then, or only not the actor. Raises PermissionDenied, Invalid, TooMany."""
    at = at or clock.now()
    locks.hold([organization.pk])
    roles.require(actor, Role.OPERATOR if for_all else Role.OBSERVER, organization)
    _check(until, note, at, for_all=for_all)
    if Mute.objects.filter(organization=organization, until__gt=at).count() >= MOST:
        raise TooMany
    made = Mute.objects.create(
        organization=organization,
        person_id=None if for_all else actor.pk,
        until=until,
        note=note,
        by_name=actor.get_username(),
        created_at=at,
        **{FIELDS[type(what)]: what},
    )
    if for_all:
        _audit("muted", made, actor, at, after={"until": until, "note": note})
    return made


@transaction.atomic
def end(*, mute: Mute, actor: Person, at: datetime | None = None) -> None:
    """Tell of it again from now on. Raises PermissionDenied; one that is over stays as it was."""
    at = at or clock.now()
    locks.hold([mute.organization_id])
    if mute.person_id is None:
        roles.require(actor, Role.OPERATOR, mute.organization)
    elif mute.person_id != actor.pk:
        raise PermissionDenied("This mute is somebody else's own.")
    before = Mute.objects.select_for_update(no_key=True).get(pk=mute.pk)
    if before.until <= at:
        return
    Mute.objects.filter(pk=mute.pk).update(until=at)
    looking.look_again(mute.organization_id, at)
    if mute.person_id is None:
        _audit("unmuted", mute, actor, at, before={"until": before.until})


def seen_by(person: int) -> QuerySet[Mute]:
    """Those for all, and the person's own."""
    return Mute.objects.filter(Q(person=None) | Q(person=person))


def _check(until: datetime, note: str, at: datetime, *, for_all: bool) -> None:
    if until <= at:
        raise Invalid("until", "Choose a time in the future.")
    if for_all and until - at > LONGEST:
        raise Invalid("until", "A mute for all lasts at most 7 days.")
    if until - at > LONGEST_OWN:
        raise Invalid("until", "A mute lasts at most a year.")
    if for_all and not note.strip():
        raise Invalid("note", "Say why, so that the others know.")


def _audit(action: str, mute: Mute, actor: Person, at: datetime, **facts: Any) -> None:
    what = mute.device or mute.view or mute.rule or mute.incident
    subject = ("mute", str(mute.uuid), str(what))
    audit.record(action, actor=actor, organization=mute.organization, subject=subject, at=at, **facts)
