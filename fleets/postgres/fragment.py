"""SQL text with its parameters in order: what a statement is put together of."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

Fragment = tuple[str, list[Any]]


def compiled(rows: QuerySet[Any]) -> Fragment:
    """The SELECT of these rows."""
    sql, params = rows.query.sql_with_params()
    return sql, list(params)
