"""Fragments of SQL statements: text, and the parameters for its placeholders in their order."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

Fragment = tuple[str, list[Any]]


def compiled(rows: QuerySet[Any]) -> Fragment:
    """The SELECT statement of a queryset with its parameters."""
    sql, params = rows.query.sql_with_params()
    return sql, list(params)
