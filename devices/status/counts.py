"""How many devices have each status, and how many need attention: the counters, corrected as lists are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from devices import clock
from devices.clock import Moment
from devices.models import Device
from devices.rules.vocabulary import Status, always_attended
from devices.status import counters
from devices.status.reading import stalled, unrecorded


def _tally(
    devices: QuerySet[Device], at: Moment, *by: str, among: Sequence[int] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Yields (*by, status, number) to be added up: what is recorded, then corrections for the few devices
    that moved since. One statement, so that nothing comes between."""
    rows = counters.recorded(devices, *by)
    if among is None or among:
        moves = unrecorded(devices, at, among).values_list(*by, "recorded_status", "status")
        rows = rows.union(moves.annotate(n=Count("*")), all=True)
    for *key, before, status, n in rows:
        if before:
            yield (*key, before, -n)
        yield (*key, status, n)


def count_by_status(
    devices: QuerySet[Device], at: datetime | Moment | None = None, among: Sequence[int] | None = None
) -> dict[str, int]:
    """How many of `devices` have each status at `at`: all nine keys in display order, one query.

    Of whole fleets and organizations, it reads the counters. `among`: the ids of all devices that moved,
    where the caller has just read them.
    """
    counts = dict.fromkeys(Status.values, 0)
    for status, n in _tally(devices, clock.moment(at), among=among):
        counts[status] += n
    return counts


def count_by_fleet(devices: QuerySet[Device], at: Moment) -> dict[int, dict[str, int]]:
    """The same for each fleet that has any of `devices`, by its id, in one query."""
    return _count_by("fleet_id", devices, at)


def count_by_organization(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> dict[int, dict[str, int]]:
    """The same for each organization that has any of `devices`, by its id, in one query."""
    return _count_by("organization_id", devices, at, among)


def _count_by(
    whose: str, devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> dict[int, dict[str, int]]:
    counts: dict[int, dict[str, int]] = {}
    for scope_id, status, n in _tally(devices, at, whose, among=among):
        counts.setdefault(scope_id, dict.fromkeys(Status.values, 0))[status] += n
    return counts


def count_attention(devices: QuerySet[Device], at: Moment) -> int:
    """How many of `devices` need attention at `at` (domain.md, Needs attention). Two queries."""
    counts, still = count_attended(devices, at)
    return always_attended(counts) + still


def count_attended(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> tuple[dict[str, int], int]:
    """How many have each status, and how many have stalled. Two queries; `among`: as count_by_status."""
    return count_by_status(devices, at, among), stalled(devices, at, among).count()


def count_attention_by_fleet(devices: QuerySet[Device], at: Moment) -> dict[int, int]:
    """The same for each fleet that has such a device, by its id. Two queries."""
    attended = {fleet: always_attended(counts) for fleet, counts in count_by_fleet(devices, at).items()}
    for fleet, n in stalled(devices, at).order_by().values_list("fleet_id").annotate(n=Count("*")):
        attended[fleet] = attended.get(fleet, 0) + n
    return {fleet: n for fleet, n in attended.items() if n}
