"""How many devices have each status under the other filters of a list: the counts of its facets.

Of whole fleets and organizations from their counters, else over the parts that the list itself is made of:
the counts and the list behind them are one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Count

from devices.cells import status_of
from devices.pages.filters import Filters, in_organizations, matching_of, unchanging
from devices.pages.recorded import Part, Piece, Recorded, conditions, few, few_in, from_rows, recorded
from devices.status import Status, behind, count_by_status, vocabulary
from fleets.models import Organization

MANY = 100_000  # devices that a page still counts; more are counted when it is there


def facets(
    organizations: Sequence[Organization],
    filters: Filters,
    at: datetime,
    moved: Sequence[int],
    *,
    always: bool = False,
) -> dict[Status, int] | None:
    """A count per status as shown, under all the filters but that for the status.

    `moved` are the devices that the clock has moved. None where counting takes long, unless `always`.
    """
    filters = filters.without_statuses()
    if filters == Filters(fleets=filters.fleets):
        return as_shown(count_by_status(unchanging(in_organizations(organizations), filters), at, moved))
    asked = recorded(organizations, filters, at)
    if not always and not all(_soon_counted(asked, part) for part in asked.parts):
        return None
    counts = Counter(dict.fromkeys(Status.values, 0))
    counts.update(_counted(asked))
    if moved:
        counts.subtract(_counted(asked, moved))
        found = matching_of(in_organizations(organizations).filter(pk__in=moved), filters, at)
        counts.update(dict(found.order_by().values_list("status").annotate(n=Count("*"))))
    return as_shown(counts)


def as_shown(counts: dict[str, int]) -> dict[Status, int]:
    """Counts per status folded into the statuses that are shown, in their order."""
    return {status: sum(counts[each] for each in behind(status)) for status in vocabulary()}


def _soon_counted(asked: Recorded, part: Part) -> bool:
    if part.words or part.poll:
        return few(asked, part)
    return part.quiet_before is not None or few_in(asked, part.cells, MANY)


def _counted(asked: Recorded, among: Sequence[int] | None = None) -> dict[str, int]:
    """How many devices are recorded with each status in the parts; `among`: only of these."""
    queries = [_count(asked, part, among) for part in asked.parts]
    if not queries or not asked.scope:
        return {}
    sql = " UNION ALL ".join(sql for sql, _ in queries)
    counts: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(sql, [each for _, params in queries for each in params])
        for cell, number in cursor.fetchall():
            counts[status_of(cell)] += number
    return counts


def _count(asked: Recorded, part: Part, among: Iterable[int] | None) -> Piece:
    if part.quiet_before is not None and among is None and not part.words:
        return _count_quiet(asked, part)
    condition, params = conditions(asked, part, joined=True)
    named, ids = ("AND d.id = ANY(%s)", [list(among)]) if among is not None else ("", [])
    sql = f"""
    SELECT d.recorded_cell, count(*) FROM {from_rows(part)}
    WHERE d.{asked.column} = ANY(%s) AND d.recorded_cell = ANY(%s::smallint[]) {named} {condition}
    GROUP BY d.recorded_cell
    """
    return sql, [asked.scope, part.cells, *ids, *params]


def _count_quiet(asked: Recorded, part: Part) -> Piece:
    """Cell by cell, the end of an index that is sorted by silence."""
    sql = f"""
    SELECT c.cell, (
        SELECT count(*) FROM devices_device d
        WHERE d.{asked.column} = scope.id AND d.recorded_cell = c.cell AND d.recorded_quiet_at < %s
    ) FROM unnest(%s::bigint[]) AS scope(id), unnest(%s::smallint[]) AS c(cell)
    """
    return sql, [part.quiet_before, asked.scope, part.cells]
