"""Inserting many rows that differ in a few columns, by one statement: Django takes seconds for 10,000."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db import models


def insert_copies(template: models.Model, **columns: Sequence[Any]) -> list[int]:
    """Insert copies of an unsaved row that differ in some fields.

    `columns` has, by the name of such a field, its values, one for each copy. Returns the primary keys of
    the copies, in order. Fields that have a default in the database must be set on `template`.
    """
    meta = template._meta  # noqa: SLF001 - Django's documented name for it
    targets, values, arrays, names = [], [], [], []
    params: dict[str, Any] = {}
    for field in meta.concrete_fields:
        if field.primary_key or field.generated:
            continue
        column = str(field.column)
        targets.append(f'"{column}"')
        if field.name in columns:
            cast, value, params[column] = _column(field, columns[field.name])
            arrays.append(f"%({column})s::{cast}[]")
            names.append(f'"{column}"')
            values.append(value)
        else:
            params[column] = field.get_db_prep_save(getattr(template, field.attname), connection)
            values.append(f"%({column})s")
    sql = (
        f'INSERT INTO "{meta.db_table}" ({", ".join(targets)}) SELECT {", ".join(values)}'  # noqa: S608 - our names
        f" FROM unnest({', '.join(arrays)}) WITH ORDINALITY AS copy({', '.join(names)}, ordinal)"
        " ORDER BY ordinal RETURNING id"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [pk for (pk,) in cursor.fetchall()]


def _column(field: models.Field[Any, Any], copies: Sequence[Any]) -> tuple[str, str, list[Any]]:
    """The type of a field's values in an array, SQL for one of them in the row `copy`, and the values.

    A value that is an array of texts itself travels as JSON, since unnest takes arrays in arrays apart.
    """
    name, cast = f'copy."{field.column}"', str(field.cast_db_type(connection))
    if cast.endswith("[]"):
        return (
            "jsonb",
            f"ARRAY(SELECT jsonb_array_elements_text({name}))::{cast}",
            [Jsonb(each) for each in copies],
        )
    return cast, name, [field.get_db_prep_save(each, connection) for each in copies]
