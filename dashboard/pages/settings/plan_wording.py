"""Plans, and changes of them, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.words import counted
from fleets.models import Organization, Plan
from fleets.text import isolated


@dataclass(frozen=True)
class Difference:
    """A part of a plan in words, before and after a change."""

    name: str
    before: str
    after: str

    @property
    def same(self) -> bool:
        return self.before == self.after


def differences(organization: Organization, wanted: dict[str, Any]) -> tuple[Difference, ...]:
    """The parts of the present plan beside those of the `wanted` one."""
    return (
        Difference("Plan", Plan(organization.plan).label, Plan(wanted["plan"]).label),
        Difference("Allowance", places(organization.allowance), places(wanted["allowance"])),
        Difference("Invoices", _invoices(unpaid=organization.unpaid), _invoices(unpaid=wanted["unpaid"])),
    )


def places(allowance: int | None) -> str:
    """An allowance in words; None is "no limit"."""
    if allowance is None:
        return "no limit"
    return counted(allowance, "1 device", "{n} devices")


def _invoices(*, unpaid: bool) -> str:
    return "unpaid" if unpaid else "paid"


def done(organization: Organization, changed: int) -> str:
    """The sentence after a change of the plan; `changed` is the number of devices that it affected."""
    if not changed:
        return f"The plan of {isolated(organization)} is saved. No device froze or thawed."
    one = "The plan of {organization} is saved. 1 device froze, thawed or is frozen for another reason."
    many = "The plan of {organization} is saved. {n} devices froze, thawed or are frozen for another reason."
    return counted(changed, one, many, organization=isolated(organization))
