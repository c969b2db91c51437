"""What the Fleets page reads: a row per fleet and the line above them, all from one count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from devices.pages import changes
from devices.pages.allowance import Allowance, of_counts
from devices.pages.changes import Change
from devices.pages.filters import in_organizations
from devices.pages.lists import as_shown
from devices.status import Status, count_attention_by_fleet, count_by_fleet, vocabulary
from fleets.models import Fleet, FleetType, Organization

LATEST = 8  # changes below the table
NOTHING = dict.fromkeys(Status.values, 0)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class FleetRow:
    """A fleet, how its devices are, how many need attention, and what changed last."""

    slug: str
    name: str
    type: FleetType
    device_type: str
    counts: dict[Status, int]
    attention: int
    change: Change | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Overview:
    """All fleets of the chosen organizations, those that the search found, and the sums over all."""

    rows: list[FleetRow]
    fleets: int
    counts: dict[Status, int]
    attention: int
    latest: list[tuple[Change, str]]
    allowances: list[Allowance]  # of the chosen organizations that have one, the fullest first

    @property
    def total(self) -> int:
        return sum(self.counts.values())


# The orders of the table by name; a leading "-" turns one around. Equal rows stand by name.
SORTS: dict[str, Any] = {
    "attention": lambda row: -row.attention,
    "name": lambda row: 0,
    "devices": lambda row: -row.total,
    "change": lambda row: -(row.change.at if row.change else LONG_AGO).timestamp(),
}


def overview(organizations: Sequence[Organization], text: str, sort: str, at: datetime) -> Overview:
    """The Fleets page in the order `sort` (a key of SORTS); `text` is looked for in name and types."""
    fleets = list(changes.with_last_change(Fleet.objects.filter(organization__in=organizations), at))
    devices = in_organizations(organizations)
    counts, attention = count_by_fleet(devices, at), count_attention_by_fleet(devices, at)
    last = changes.last_of_fleets(fleets, at)
    rows = [
        FleetRow(
            fleet.slug,
            fleet.name,
            FleetType(fleet.type),
            fleet.device_type,
            as_shown(counts.get(fleet.pk, NOTHING)),
            attention.get(fleet.pk, 0),
            last.get(fleet.pk),
        )
        for fleet in fleets
    ]
    names = {fleet.pk: fleet.name for fleet in fleets}
    owned = [(fleet.organization_id, row.counts) for fleet, row in zip(fleets, rows, strict=True)]
    return Overview(
        rows=_sorted([row for row in rows if _has(row, text)], sort),
        fleets=len(fleets),
        counts=_sum(row.counts for row in rows),
        attention=sum(row.attention for row in rows),
        latest=[
            (change, names.get(change.fleet_id, "")) for change in changes.latest(organizations, at, LATEST)
        ],
        allowances=_allowances(organizations, owned),
    )


def _allowances(
    organizations: Sequence[Organization], owned: Sequence[tuple[int, dict[Status, int]]]
) -> list[Allowance]:
    """The allowances by the counts of their fleets; of a single one also whose turn is next."""
    limited = [each for each in organizations if each.allowance is not None or each.unpaid]
    found = [
        of_counts(each, _sum(n for pk, n in owned if pk == each.pk), turns=len(organizations) == 1)
        for each in limited
    ]
    return sorted(found, key=lambda each: (not each.full, each.left or 0))


def pinned(found: Overview, slugs: Sequence[str]) -> list[FleetRow]:
    """The rows that a page already shows, in its order; without those whose fleet is gone."""
    rows = {row.slug: row for row in found.rows}
    return [rows[slug] for slug in slugs if slug in rows]


def _has(row: FleetRow, text: str) -> bool:
    """Whether every word of the search is somewhere in the fleet's name, slug or types."""
    words = f"{row.name} {row.slug} {row.device_type} {row.type.label}".lower()
    return all(word in words for word in text.lower().split())


def _sorted(rows: list[FleetRow], sort: str) -> list[FleetRow]:
    by_name = sorted(rows, key=lambda row: row.name.lower(), reverse=sort == "-name")
    return sorted(by_name, key=SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))


def _sum(counts: Iterable[dict[Status, int]]) -> dict[Status, int]:
    counts = list(counts)
    return {status: sum(each[status] for each in counts) for status in vocabulary()}
