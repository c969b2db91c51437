"""Taking an incident on: no reminders and steps until it grows, becomes worse or resolves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock
from devices.alerts import looking
from devices.alerts.refusals import Invalid
from devices.models import Incident
from fleets import audit
from fleets.access import roles
from fleets.models import Role

if TYPE_CHECKING:
    from fleets.actor import Person

LONGEST: Final = timedelta(days=7)


class Over(Exception):
    """The incident has resolved already."""


@transaction.atomic
def acknowledge(
    *,
    incident: Incident,
    actor: Person,
    note: str = "",
    until: datetime | None = None,
    at: datetime | None = None,
) -> Incident:
    """Take it on, for as many devices as it has now. Again: for those that it has then.

    `until` None: until it resolves. Raises PermissionDenied, Invalid, Over.
    """
    at, now = at or clock.now(), _held(incident, actor)
    if until is not None and not at < until <= at + LONGEST:
        raise Invalid("until", "Choose a time within the next 7 days.")
    now.acknowledged_at, now.acknowledged_by_id = at, actor.pk
    now.acknowledged_by_name = actor.get_username()
    now.acknowledged_note, now.acknowledged_until = note, until
    now.acknowledged_members, now.acknowledged_rank = now.now, now.rank
    now.save(update_fields=OVERLAY)
    looking.look_again(now.organization_id, at)
    _audit("incident-acknowledged", now, actor, at, after={"note": note, "until": until, "devices": now.now})
    return now


@transaction.atomic
def withdraw(*, incident: Incident, actor: Person, at: datetime | None = None) -> Incident:
    """Let the incident be nobody's again. Raises PermissionDenied, Over."""
    now = _held(incident, actor)
    if now.acknowledged_at is not None:
        at_all = {"by": now.acknowledged_by_name, "note": now.acknowledged_note}
        at = at or clock.now()
        clear(now)
        now.save(update_fields=OVERLAY)
        looking.look_again(now.organization_id, at)
        _audit("incident-returned", now, actor, at, before=at_all)
    return now


OVERLAY: Final = (
    *("acknowledged_at", "acknowledged_by", "acknowledged_by_name", "acknowledged_until"),
    *("acknowledged_note", "acknowledged_members", "acknowledged_rank"),
)


def clear(incident: Incident) -> None:
    """Take the acknowledgement off the object; the caller saves OVERLAY."""
    incident.acknowledged_at = incident.acknowledged_by = incident.acknowledged_until = None
    incident.acknowledged_by_name = incident.acknowledged_note = ""
    incident.acknowledged_members = incident.acknowledged_rank = 0


def _held(incident: Incident, actor: Person) -> Incident:
    roles.require(actor, Role.OPERATOR, incident.organization)
    now = Incident.objects.select_for_update(no_key=True).select_related("organization").get(pk=incident.pk)
    if now.state == Incident.State.RESOLVED:
        raise Over
    return now


def _audit(action: str, incident: Incident, actor: Person, at: datetime, **facts: Any) -> None:
    subject = ("incident", str(incident.uuid), f"Incident of {incident.opened_at:%Y-%m-%d %H:%M} UTC")
    audit.record(action, actor=actor, organization=incident.organization, subject=subject, at=at, **facts)
