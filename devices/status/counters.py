"""Reading and folding the counters: the numbers of devices per fleet and status that triggers on Device keep.

They count recorded statuses; devices/status/counts.py corrects them for the present, and
devices/integrity/counters.py compares them with the devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import CharField, Count, Lookup, Q, QuerySet, Sum, Value
from django.db.models.expressions import Col
from django.db.models.sql.where import WhereNode

from devices.models import Device, FleetCount
from fleets.postgres.round_trip import rows_of_each

KEPT_BY = ("fleet", "organization")
FOLDING = 0x666F6C64  # the advisory lock under which counters are folded

NUMBERS = """
SELECT status, sum(number)::bigint FROM devices_fleetcount
WHERE {column}_id = ANY(%(scope)s::bigint[]) GROUP BY status
"""
FOLD = """
WITH due AS (SELECT DISTINCT fleet_id, status FROM devices_fleetcount WHERE NOT folded),
taken AS (
    DELETE FROM devices_fleetcount part USING due
    WHERE part.fleet_id = due.fleet_id AND part.status = due.status
    RETURNING part.organization_id, part.fleet_id, part.status, part.number, part.changed_at
)
INSERT INTO devices_fleetcount (organization_id, fleet_id, status, number, changed_at, folded)
SELECT organization_id, fleet_id, status, sum(number), max(changed_at), true
FROM taken GROUP BY organization_id, fleet_id, status
"""


def recorded(devices: QuerySet[Device], *by: str) -> QuerySet[Any]:
    """Rows (*by, None, recorded status, number of `devices`); `by` names fields, `fleet_id` say.

    From the counters where `devices` are whole fleets or organizations, else by an index-only scan.
    """
    nothing = Value(None, CharField())
    chosen_by = whole(devices)
    if chosen_by is None:
        rows: QuerySet[Any] = devices.order_by().annotate(before=nothing)
        rows = rows.values_list(*by, "before", "recorded_status").annotate(n=Count("*"))
        return rows
    counts: QuerySet[Any] = FleetCount.objects.filter(chosen_by)
    counts = counts.annotate(before=nothing).values_list(*by, "before", "status")
    counts = counts.annotate(n=Sum("number")).exclude(n=0)
    return counts


def numbers(column: str, scope: Sequence[int]) -> dict[str, int]:
    """How many devices of whole fleets or organizations have each recorded status, where any has it.

    `column`: which of KEPT_BY they are; `scope`: their ids. By SQL, as the ORM takes more than the database.
    """
    (found,) = rows_of_each((NUMBERS.format(column=column),), {"scope": list(scope)})
    return dict(found)


def whole(devices: QuerySet[Device]) -> Q | None:
    """The condition of `devices` on FleetCount, if it is on fleet and organization alone; else None."""
    query = devices.query
    joined = {alias for alias, uses in query.alias_refcount.items() if uses} - {query.base_table}
    if joined or query.is_sliced or query.combinator or query.distinct or query.annotations:
        return None
    return _translated(query.where)


def _translated(where: WhereNode) -> Q | None:
    """A condition on devices as a condition on the counters; None where it names other columns."""
    condition = Q(_connector=where.connector, _negated=where.negated)
    for child in where.children:
        translated = _translated(child) if isinstance(child, WhereNode) else _translated_lookup(child)
        if translated is None:
            return None
        condition.add(translated, where.connector)
    return condition


def _translated_lookup(lookup: Any) -> Q | None:
    if not isinstance(lookup, Lookup) or lookup.lookup_name not in ("exact", "in"):
        return None
    column = lookup.lhs
    if not isinstance(column, Col) or column.target.name not in KEPT_BY:
        return None
    return Q((f"{column.target.attname}__{lookup.lookup_name}", lookup.rhs))


def fold() -> int:
    """Replace appended rows by their sums; returns the number of sums, one per fleet and status.

    Only makes reading faster. Safe at any time; does nothing while another transaction folds.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FOLDING])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(FOLD)
        return int(cursor.rowcount)
