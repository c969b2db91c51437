"""Suggestions for the filters by type and versions: the values that occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import connection

from fleets.models import Organization
from fleets.postgres import name_order

MOST: Final = 200  # values of one filter; others can be typed
COLUMNS: Final = {"type": "recorded_type", "os": "recorded_os_version", "release": "recorded_release"}


def suggestions(organizations: Sequence[Organization]) -> dict[str, list[str]]:
    """The values that devices of these organizations have, by name of the filter, sorted; MOST of each."""
    ids = [organization.pk for organization in organizations]
    return {name: sorted(_values(column, ids), key=name_order.key) for name, column in COLUMNS.items()}


def _values(column: str, organizations: list[int]) -> list[str]:
    """The first distinct values of a column, by a loose index scan: one step per value, not per device."""
    sql = f"""
    WITH RECURSIVE found(value) AS (
        SELECT ''::varchar
        UNION ALL
        SELECT (
            SELECT min(next.value) FROM unnest(%s::bigint[]) AS scope(id), LATERAL (
                SELECT {column} AS value FROM devices_description
                WHERE organization_id = scope.id AND {column} > found.value ORDER BY {column} LIMIT 1
            ) AS next
        ) FROM found WHERE found.value IS NOT NULL
    )
    SELECT value FROM found WHERE value <> '' LIMIT %s
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [organizations, MOST])
        return [value for (value,) in cursor.fetchall()]
