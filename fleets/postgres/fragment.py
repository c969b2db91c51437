"""Fragments of SQL statements: text, and the parameters for its placeholders in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

Fragment = tuple[str, list[Any]]


def compiled(rows: QuerySet[Any]) -> Fragment:
    """The SELECT statement of a queryset with its parameters."""
    sql, params = rows.query.sql_with_params()
    return sql, list(params)


def joined(conditions: Sequence[Fragment]) -> Fragment:
    """The condition that all of these conditions hold, of which there is at least one."""
    sql = " AND ".join(f"({sql})" for sql, _ in conditions)
    return sql, [param for _, params in conditions for param in params]
