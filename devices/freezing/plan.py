"""Changing the plan of an organization, and with it which of its devices are frozen."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from devices import clock
from devices.clock import Moment
from devices.freezing.freeze import Tell, refreeze
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Organization, Plan, Role

if TYPE_CHECKING:
    from fleets.actor import Actor


def plan_version(organization: Organization) -> str:
    """A text that is equal as long as plan, allowance and unpaid invoices of the organization are."""
    return f"{organization.plan} {organization.allowance} {organization.unpaid}"


@transaction.atomic
def change_plan(
    *,
    organization: Organization,
    actor: Actor | None,
    plan: Plan,
    allowance: int | None,
    unpaid: bool,
    seen: str | None = None,
    at: datetime | Moment | None = None,
    tell: Tell | None = None,
) -> int:
    """Set plan, allowance (None: no limit) and unpaid invoices; devices freeze and thaw accordingly.

    `seen` is the `plan_version` that the person saw. `tell` is called with the progress. Returns how many
    devices changed. Raises PermissionDenied, and ChangedMeanwhile where the plan differs from `seen`.
    """
    at = clock.moment(at)
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    after = {"plan": str(plan), "allowance": allowance, "unpaid": unpaid}
    now = Organization.objects.get(pk=organization.pk)
    if seen is not None and seen != plan_version(now):
        raise ChangedMeanwhile(f"The plan of {now}")
    before: dict[str, Any] = {name: getattr(now, name) for name in after}
    if before == after:
        return 0
    Organization.objects.filter(pk=organization.pk).update(**after, shows_plan=True)
    subject = ("organization", organization.slug, organization.name)
    change: dict[str, Any] = {"before": before, "after": after}
    audit.record("plan-changed", actor=actor, organization=organization, subject=subject, at=at.at, **change)
    return refreeze(organization.pk, at, tell=tell)
