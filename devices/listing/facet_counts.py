"""Facet counts: how many devices of a list have each status, under its other filters.

Of whole fleets and organizations they come from the counters, else from the branches that the list is made
of, so that a count and the list behind it agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import connection
from django.db.models import Count

from devices.clock import Moment
from devices.listing.among import Among
from devices.listing.branches import Branch, Recorded, conditions, from_rows, recorded, sorted_scan_by
from devices.listing.filters import Filters, in_organizations, matching_among
from devices.rules.status_code import status_of
from devices.rules.vocabulary import Status, behind, vocabulary
from devices.status.counts import count_whole
from fleets.models import Organization
from fleets.postgres.fragment import Fragment

MANY = 100_000  # devices that a page counts itself, at most; more are counted by a second request


def facets(
    organizations: Sequence[Organization],
    filters: Filters,
    at: Moment,
    moved: Sequence[int],
    *,
    always: bool = False,
    counts: Counter[str] | None = None,
) -> dict[Status, int] | None:
    """The number of devices per shown status, under all the filters but that for the status.

    `moved` are the ids of all devices that moved; `counts` the recorded counts of the others, if the list has
    counted them. None where counting takes long, unless `always`.
    """
    filters = filters.without_statuses()
    among = Among(organizations, filters)
    if among.counted:
        return as_shown(count_whole(*among.whole, at, moved))
    if counts is None:
        counts = _recorded_counts(recorded(organizations, filters, at), moved, None if always else MANY)
    if counts is None:
        return None
    if moved:
        found = matching_among(in_organizations(organizations).filter(pk__in=moved), filters, at)
        counts.update(dict(found.order_by().values_list("status").annotate(n=Count("*"))))
    return as_shown(counts)


def as_shown(counts: dict[str, int]) -> dict[Status, int]:
    """Counts by status (slug), folded into the statuses that are shown, in their order."""
    return {status: sum(counts[part] for part in behind(status)) for status in vocabulary()}


def _recorded_counts(recorded: Recorded, moved: Sequence[int], most: int | None) -> Counter[str] | None:
    """How many devices have each recorded status, without `moved`; None where counting takes long.

    It does where many devices would be looked up one by one, or where they are more than `most`.
    """
    first = [sorted_scan_by(recorded, branch) for branch in recorded.branches]
    if most and any(
        branch.elsewhere and not table for branch, table in zip(recorded.branches, first, strict=True)
    ):
        return None
    counts = _counted(recorded, first, most=most)
    if counts is not None and moved:
        counts.subtract(_counted(recorded, first, among=moved) or {})
    return counts


def _counted(
    recorded: Recorded, first: Sequence[str], *, among: Sequence[int] | None = None, most: int | None = None
) -> Counter[str] | None:
    """How many devices have each recorded status, of all or of those in `among` (ids).

    `first` has for each branch the table whose condition few devices meet, or an empty text. None where a
    branch has more than `most` devices.
    """
    counts, by_branch = Counter[str](), Counter[int]()
    if not recorded.branches or not recorded.scope:
        return counts
    branches = zip(recorded.branches, first, strict=True)
    queries = [_count(recorded, branch, table, among, most) for branch, table in branches]
    numbered = (f"SELECT {number}, * FROM ({sql}) AS branch" for number, (sql, _) in enumerate(queries))
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(numbered), [param for _, params in queries for param in params])
        for branch, code, number in cursor.fetchall():
            counts[status_of(code)] += number
            by_branch[branch] += number
    return None if most and max(by_branch.values(), default=0) > most else counts


def _count(
    recorded: Recorded, branch: Branch, first: str, among: Sequence[int] | None, most: int | None
) -> Fragment:
    """SQL of rows (status code, number of devices) of a branch, counting up to one more than `most`."""
    if branch.quiet_before is not None and among is None and not branch.words:
        return _count_quiet(recorded, branch, most)
    joined = [] if first else [table for table, _ in branch.elsewhere]
    condition, params = conditions(recorded, branch, there=joined, first=first)
    named, ids = ("AND d.id = ANY(%s)", [among]) if among is not None else ("", [])
    sql = f"""
    SELECT recorded_cell, count(*) FROM (
        SELECT d.recorded_cell FROM {from_rows(branch) if joined else "devices_device d"}
        WHERE d.{recorded.column} = ANY(%s) AND d.recorded_cell = ANY(%s::smallint[]) {named} {condition}
        LIMIT %s
    ) AS found GROUP BY recorded_cell
    """
    return sql, [recorded.scope, branch.codes, *ids, *params, most and most + 1]


def _count_quiet(recorded: Recorded, branch: Branch, most: int | None) -> Fragment:
    """SQL of rows (status code, number of devices) by an index that is sorted by last contact, per code."""
    sql = f"""
    SELECT code, count(*) FROM (
        SELECT c.code FROM unnest(%s::bigint[]) AS scope(id), unnest(%s::smallint[]) AS c(code), LATERAL (
            SELECT 1 FROM devices_device d
            WHERE d.{recorded.column} = scope.id AND d.recorded_cell = c.code AND d.recorded_quiet_at < %s
        ) AS quiet LIMIT %s
    ) AS found GROUP BY code
    """
    return sql, [recorded.scope, branch.codes, branch.quiet_before, most and most + 1]
