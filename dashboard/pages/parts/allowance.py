"""How far an organization's allowance is used, and whose turn is next (domain.md, Freezing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count

from devices.clock import Moment
from devices.freezing import Named, next_turns
from devices.listing.facet_counts import as_shown
from devices.listing.filters import in_organizations
from devices.models import Device, FrozenReason
from devices.rules.vocabulary import Status
from devices.status.counts import count_by_status
from devices.words import frozen_because
from fleets.models import Organization


@dataclass(frozen=True)
class Allowance:
    """The allowance of an organization, what takes it up, and what is not counted.

    A place is taken by whatever is shown neither Frozen nor Inactive, so that it agrees with the counts.
    """

    slug: str
    name: str
    limit: int | None
    unpaid: bool
    used: int
    parked: Mapping[Status, int]
    freezes: Named | None = None
    thaws: Named | None = None

    @property
    def left(self) -> int | None:
        """Free places; None: any number."""
        return None if self.limit is None else max(self.limit - self.used, 0)

    @property
    def full(self) -> bool:
        """Whether the next device to be activated would freeze."""
        return self.unpaid or self.left == 0

    @property
    def share(self) -> str:
        """The length of the meter's bar in per cent."""
        return f"{min(100 * self.used / self.limit, 100) if self.limit else 100:.1f}"


PARKED = (Status.FROZEN, Status.INACTIVE)


def of_counts(organization: Organization, counts: Mapping[Status, int], *, turns: bool) -> Allowance:
    """The allowance by the counts of the organization's devices as shown; `turns` in one query more."""
    parked = {status: n for status, n in counts.items() if status in PARKED}
    freezes, thaws = next_turns(organization) if turns else (None, None)
    return Allowance(
        slug=organization.slug,
        name=organization.name,
        limit=organization.allowance,
        unpaid=organization.unpaid,
        used=sum(counts.values()) - sum(parked.values()),
        parked=parked,
        freezes=freezes,
        thaws=thaws,
    )


def allowance_of(organization: Organization, at: Moment) -> Allowance:
    """The allowance of one organization at the clock `at`: its counts, and one query more."""
    counts = as_shown(count_by_status(in_organizations([organization]), at))
    return of_counts(organization, counts, turns=True)


def frozen_for(organization: Organization) -> list[tuple[str, int]]:
    """How many devices are frozen for each reason that occurs, in words, in the order of the rule."""
    frozen = Device.objects.filter(organization=organization, recorded_status=Status.FROZEN)
    reasons = frozen.order_by().values_list("frozen_reason")
    counts = dict(reasons.annotate(n=Count("*")))
    return [(frozen_because(reason), counts[reason]) for reason in FrozenReason if reason in counts]
