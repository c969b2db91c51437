"""What the Fleets page reads: the line for all chosen organizations, a page of fleets, the latest changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboard.pages.parts.allowance import Allowance, of_counts
from dashboard.pages.parts.attended import attended_words
from dashboard.pages.parts.over_time_small import Small, small_pictures
from devices.clock import Moment
from devices.history import changes
from devices.history.changes import Change
from devices.listing.facet_counts import as_shown
from devices.listing.filters import in_organizations
from devices.listing.fleets import Apart, Standing
from devices.rules.vocabulary import Status, always_attended, vocabulary
from devices.status.counts import count_by_organization
from fleets.models import Fleet, FleetType, Organization

LATEST = 8  # changes below the table
NOTHING = dict.fromkeys(Status.values, 0)


@dataclass(frozen=True)
class FleetRow:
    """A fleet, how its devices are, how many need attention, and what changed last."""

    slug: str
    name: str
    type: FleetType
    device_type: str
    counts: dict[Status, int]
    total: int
    attention: int
    attended: str  # what those are, where their statuses do not tell
    change: Change | None
    day: Small | None  # None: not counted yet


@dataclass(frozen=True)
class Overview:
    """The sums over all fleets of the chosen organizations, and what changed in them last."""

    fleets: int
    counts: dict[Status, int]
    attention: int
    attended: str
    latest: list[tuple[Change, str]]
    allowances: list[Allowance]  # of the chosen organizations that have one, the fullest first

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def overview(organizations: Sequence[Organization], at: Moment, apart: Apart) -> Overview:
    """What the Fleets page says above and below its table."""
    counts = count_by_organization(in_organizations(organizations), at, apart.moved)
    shown = {each.pk: as_shown(counts.get(each.pk, NOTHING)) for each in organizations}
    summed = {status: sum(each[status] for each in counts.values()) for status in Status.values}
    attention = always_attended(summed) + len(apart.stalled)
    return Overview(
        fleets=Fleet.objects.filter(organization__in=organizations).count(),
        counts=_sum(shown.values()),
        attention=attention,
        attended=attended_words(summed, attention),
        latest=_with_names(changes.latest(organizations, at, LATEST, apart.moved)),
        allowances=_allowances(organizations, shown),
    )


def rows(standings: Sequence[Standing], at: Moment, apart: Apart) -> list[FleetRow]:
    """The rows of a page of fleets: how they stand, and what changed last in each."""
    last = changes.last_of_fleets([each.id for each in standings], at, apart.moved)
    days = small_pictures([each.id for each in standings], at.at)
    return [
        FleetRow(
            each.slug,
            each.name,
            FleetType(each.type),
            each.device_type,
            as_shown(each.counts),
            each.devices,
            each.attention,
            attended_words(each.counts, each.attention),
            last.get(each.id),
            days.get(each.id),
        )
        for each in standings
    ]


def _with_names(latest: Sequence[Change]) -> list[tuple[Change, str]]:
    """Each with the name of its fleet; none where that is gone."""
    fleets = Fleet.objects.filter(pk__in={change.fleet_id for change in latest})
    names = dict(fleets.values_list("pk", "name"))
    return [(change, names.get(change.fleet_id, "")) for change in latest]


def _allowances(
    organizations: Sequence[Organization], counts: Mapping[int, dict[Status, int]]
) -> list[Allowance]:
    """The allowances by the counts of their organizations; of a single one also whose turn is next."""
    limited = [each for each in organizations if each.allowance is not None or each.unpaid]
    found = [of_counts(each, counts[each.pk], turns=len(organizations) == 1) for each in limited]
    return sorted(found, key=lambda each: (not each.full, each.left or 0))


def _sum(counts: Iterable[dict[Status, int]]) -> dict[Status, int]:
    counts = list(counts)
    return {status: sum(each[status] for each in counts) for status in vocabulary()}
