"""The data of the Fleets page: sums of the chosen organizations, rows of fleets, and the latest changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboard.pages.parts.allowance import Allowance, of_counts
from dashboard.pages.parts.attended import attended_words
from dashboard.pages.parts.over_time_small import Small, small_pictures
from devices.alerts.windows import offline_in_maintenance
from devices.clock import Moment
from devices.history import changes
from devices.history.changes import Change
from devices.listing.facet_counts import as_shown
from devices.listing.filters import in_organizations
from devices.listing.fleets import FleetSummary, Uncounted
from devices.rules.vocabulary import Status, always_attended, vocabulary
from devices.status.counts import count_by_organization
from fleets.models import Fleet, FleetType, Organization

LATEST = 8  # changes that are listed below the table
NOTHING = dict.fromkeys(Status.values, 0)  # counts of no devices


@dataclass(frozen=True)
class FleetRow:
    """A row of the page: a fleet, its devices by status, those that need attention, and the last change."""

    slug: str
    name: str
    type: FleetType
    device_type: str
    counts: dict[Status, int]
    total: int
    attention: int
    attended: str  # the kinds of trouble in words, on sites with six statuses; else ""
    change: Change | None
    day: Small | None  # None: not counted yet


@dataclass(frozen=True)
class Overview:
    """The sums over all fleets of the chosen organizations, and the latest changes in them."""

    fleets: int
    counts: dict[Status, int]
    maintained: int  # of those that are Offline, in maintenance
    attention: int
    attended: str
    latest: list[tuple[Change, str]]
    allowances: list[Allowance]  # of the chosen organizations that have one, the fullest first

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def overview(organizations: Sequence[Organization], at: Moment, uncounted: Uncounted) -> Overview:
    """Read what the Fleets page shows above and below its table, at `at`."""
    counts = count_by_organization(in_organizations(organizations), at, uncounted.moved)
    shown = {
        organization.pk: as_shown(counts.get(organization.pk, NOTHING)) for organization in organizations
    }
    summed = {status: sum(count[status] for count in counts.values()) for status in Status.values}
    attention = always_attended(summed) + sum(uncounted.stalled.values())
    return Overview(
        fleets=Fleet.objects.filter(organization__in=organizations).count(),
        counts=_sum(shown.values()),
        maintained=offline_in_maintenance(organizations, at, uncounted.moved),
        attention=attention,
        attended=attended_words(summed, attention),
        latest=_with_names(changes.latest(organizations, at, LATEST, uncounted.moved)),
        allowances=_allowances(organizations, shown),
    )


def rows(summaries: Sequence[FleetSummary], at: Moment, uncounted: Uncounted) -> list[FleetRow]:
    """The rows for these summaries of fleets, each with its last change and its picture of the day."""
    last = changes.last_of_fleets([summary.id for summary in summaries], at, uncounted.moved)
    days = small_pictures([summary.id for summary in summaries], at.at)
    return [
        FleetRow(
            summary.slug,
            summary.name,
            FleetType(summary.type),
            summary.device_type,
            as_shown(summary.counts),
            summary.devices,
            summary.attention,
            attended_words(summary.counts, summary.attention),
            last.get(summary.id),
            days.get(summary.id),
        )
        for summary in summaries
    ]


def _with_names(latest: Sequence[Change]) -> list[tuple[Change, str]]:
    """Each change with the name of its fleet, or "" if the fleet was deleted."""
    fleets = Fleet.objects.filter(pk__in={change.fleet_id for change in latest})
    names = dict(fleets.values_list("pk", "name"))
    return [(change, names.get(change.fleet_id, "")) for change in latest]


def _allowances(
    organizations: Sequence[Organization], counts: Mapping[int, dict[Status, int]]
) -> list[Allowance]:
    """The allowances of organizations that have one, the fullest first.

    `counts` are devices by status for each organization. With a single organization the next devices to
    freeze and to thaw are read as well.
    """
    limited = [
        organization
        for organization in organizations
        if organization.allowance is not None or organization.unpaid
    ]
    found = [
        of_counts(organization, counts[organization.pk], turns=len(organizations) == 1)
        for organization in limited
    ]
    return sorted(found, key=lambda item: (not item.full, item.left or 0))


def _sum(counts: Iterable[dict[Status, int]]) -> dict[Status, int]:
    counts = list(counts)
    return {status: sum(count[status] for count in counts) for status in vocabulary()}
