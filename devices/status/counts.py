"""How many devices have each status, and how many need attention, at a moment.

Recorded counts, corrected for the few devices that moved: to which the clock has done something since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, QuerySet

from devices import clock
from devices.clock import Moment
from devices.models import Device
from devices.rules.stalled import progresses_by_record, stalled_by_record
from devices.rules.vocabulary import PROGRESSING, Status, always_attended
from devices.status import counters
from devices.status.reading import moved_ids, unrecorded, with_status

# So many stalled devices are counted one by one. Where there are more, as after an update that got stuck,
# most of the devices that configure or update have usually stalled, and the others are few.
FEW: Final = 1000


def _status_counts(
    devices: QuerySet[Device], at: Moment, *by: str, among: Sequence[int] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Yields (*by, status, number) to be added up: recorded counts, and corrections for devices that moved.

    One statement, so that both are of one snapshot.
    """
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
    """How many of `devices` have each status at `at`, by slug: all nine keys in display order. One query.

    Reads the counters where `devices` are whole fleets or organizations. `among`: the ids of all devices that
    moved (reading.moved_ids), if the caller has just read them.
    """
    counts = dict.fromkeys(Status.values, 0)
    for status, n in _status_counts(devices, clock.moment(at), among=among):
        counts[status] += n
    return counts


def count_whole(column: str, scope: Sequence[int], at: Moment, among: Sequence[int]) -> dict[str, int]:
    """How many devices of whole fleets or organizations have each status at `at`, as by count_by_status.

    `column` is "fleet" or "organization", `scope` their ids, `among` the ids of all devices that moved.
    """
    if among:
        return count_by_status(Device.objects.filter(**{f"{column}__in": scope}), at, among)
    return dict.fromkeys(Status.values, 0) | counters.numbers(column, scope)


def count_by_fleet(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> dict[int, dict[str, int]]:
    """How many of `devices` have each status at `at`, by fleet id, then by slug (all nine). One query.

    A fleet without any of `devices` is left out. `among`: the ids of all devices that moved, if read.
    """
    return _count_by("fleet_id", devices, at, among)


def count_by_organization(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> dict[int, dict[str, int]]:
    """How many of `devices` have each status at `at`, by organization id, then by slug (all nine). One query.

    An organization without any of `devices` is left out. `among`: the ids of all devices that moved, if read.
    """
    return _count_by("organization_id", devices, at, among)


def _count_by(
    whose: str, devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> dict[int, dict[str, int]]:
    counts: dict[int, dict[str, int]] = {}
    for scope_id, status, n in _status_counts(devices, at, whose, among=among):
        counts.setdefault(scope_id, dict.fromkeys(Status.values, 0))[status] += n
    return counts


def count_attention(devices: QuerySet[Device], at: Moment) -> int:
    """How many of `devices` need attention at `at` (domain.md, Needs attention). Two queries."""
    counts, number_stalled = count_attended(devices, at)
    return always_attended(counts) + number_stalled


def count_attended(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> tuple[dict[str, int], int]:
    """How many of `devices` have each status at `at` (by slug, all nine), and how many have stalled.

    Two queries. `among`: the ids of all devices that moved, if the caller has just read them.
    """
    counts = count_by_status(devices, at, among)
    return counts, count_stalled(devices, at, moved_ids(at) if among is None else among).total()


def count_attention_by_fleet(devices: QuerySet[Device], at: Moment) -> dict[int, int]:
    """How many of `devices` need attention at `at`, by the id of each fleet that has any. Two queries."""
    attended = {fleet: always_attended(counts) for fleet, counts in count_by_fleet(devices, at).items()}
    for fleet, n in count_stalled(devices, at, moved_ids(at)).items():
        attended[fleet] = attended.get(fleet, 0) + n
    return {fleet: n for fleet, n in attended.items() if n}


def count_stalled(devices: QuerySet[Device], at: Moment, among: Sequence[int]) -> Counter[int]:
    """How many of `devices` configure or update without progress at `at`, by fleet id.

    `among`: the ids of all devices that moved. One query where none has and few have stalled, else more.
    """
    unmoved = devices.order_by().exclude(pk__in=among) if among else devices.order_by()
    stopped = unmoved.filter(stalled_by_record(at.heard)).values_list("fleet_id", flat=True)
    found = Counter(stopped[: FEW + 1])
    if found.total() > FEW:
        found = _stalled_of_many(devices, unmoved, at, among)
    if among:
        moves = with_status(devices.order_by().filter(pk__in=among), at)
        found.update(moves.filter(stalled=True).values_list("fleet_id", flat=True))
    return found


def _stalled_of_many(
    devices: QuerySet[Device], unmoved: QuerySet[Device], at: Moment, among: Sequence[int]
) -> Counter[int]:
    """Those that did not move: all that configure or update, without those that are not among them."""
    found = Counter[int]()
    for fleet, _, status, n in counters.recorded(devices, "fleet_id"):
        if status in PROGRESSING:
            found[fleet] += n
    others = [unmoved.filter(condition) for condition in progresses_by_record(at.heard)]
    others += [devices.order_by().filter(recorded_status__in=PROGRESSING, pk__in=among)] if among else []
    for other in others:
        found.subtract(dict(other.values_list("fleet_id").annotate(n=Count("*"))))
    return +found
