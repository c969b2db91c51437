"""How much of an organization's allowance is used, and which devices freeze or thaw next (domain.md)."""

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
    """The allowance of an organization: `used` places of `limit` (None: no limit).

    Each device that is shown neither Frozen nor Inactive uses a place; `parked` are the numbers of those
    two. `freezes` and `thaws` are the next devices to freeze and to thaw.
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
        """The number of free places; None without a limit."""
        return None if self.limit is None else max(self.limit - self.used, 0)

    @property
    def full(self) -> bool:
        """Whether the next device to be activated would freeze."""
        return self.unpaid or self.left == 0

    @property
    def share(self) -> str:
        """The used share in per cent, as text, for the length of the meter's bar."""
        return f"{min(100 * self.used / self.limit, 100) if self.limit else 100:.1f}"


PARKED = (Status.FROZEN, Status.INACTIVE)


def of_counts(organization: Organization, counts: Mapping[Status, int], *, turns: bool) -> Allowance:
    """The allowance from the counts of the organization's devices by shown status.

    `turns` reads the next devices to freeze and to thaw, in one more query.
    """
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
    """The allowance of one organization at `at`, with the next devices to freeze and to thaw."""
    counts = as_shown(count_by_status(in_organizations([organization]), at))
    return of_counts(organization, counts, turns=True)


def frozen_for(organization: Organization) -> list[tuple[str, int]]:
    """The reasons, in words, for which devices of the organization are frozen, each with their number."""
    frozen = Device.objects.filter(organization=organization, recorded_status=Status.FROZEN)
    reasons = frozen.order_by().values_list("frozen_reason")
    counts = dict(reasons.annotate(n=Count("*")))
    return [(frozen_because(reason), counts[reason]) for reason in FrozenReason if reason in counts]
