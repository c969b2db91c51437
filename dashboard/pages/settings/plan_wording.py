"""A plan, and what changes of it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.words import counted
from fleets.models import Organization, Plan
from fleets.text import isolated


@dataclass(frozen=True)
class Difference:
    """One part of a plan: what it is, and what it becomes."""

    name: str
    before: str
    after: str

    @property
    def same(self) -> bool:
        return self.before == self.after


def differences(organization: Organization, wanted: dict[str, Any]) -> tuple[Difference, ...]:
    """The plan as it is and as it would be, part by part."""
    return (
        Difference("Plan", Plan(organization.plan).label, Plan(wanted["plan"]).label),
        Difference("Allowance", places(organization.allowance), places(wanted["allowance"])),
        Difference("Invoices", _invoices(unpaid=organization.unpaid), _invoices(unpaid=wanted["unpaid"])),
    )


def places(allowance: int | None) -> str:
    """An allowance in words."""
    if allowance is None:
        return "no limit"
    return counted(allowance, "1 device", "{n} devices")


def _invoices(*, unpaid: bool) -> str:
    return "unpaid" if unpaid else "paid"


def done(organization: Organization, changed: int) -> str:
    """What a change of the plan did, for who made it."""
    if not changed:
        return f"The plan of {isolated(organization)} is saved. No device froze or thawed."
    one = "The plan of {organization} is saved. 1 device froze, thawed or is frozen for another reason."
    many = "The plan of {organization} is saved. {n} devices froze, thawed or are frozen for another reason."
    return counted(changed, one, many, organization=isolated(organization))
