"""The sort key of names, the same in every database: decomposed (NFD), with A to Z in lower case.

A database's own order depends on the machine on which it was created. Not every server has collations of ICU
(the embedded PostgreSQL is built without it), and those of ICU and of the system change with their version,
which makes an index wrong. This key is computed by PostgreSQL alone and compared by code points.
"""

from __future__ import annotations

from typing import Final
from unicodedata import normalize

from django.db.models import Func, TextField

KEY: Final = 'lower(normalize({}, NFD) COLLATE "C")'
SMALL: Final = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def sql(column: str) -> str:
    """SQL for the sort key of a column; an index on it must have the same expression."""
    return KEY.format(column)


def key(name: str) -> str:
    """The sort key of a name, computed in Python."""
    return normalize("NFD", name).translate(SMALL)


def NameKey(name: str) -> Func:  # noqa: N802 - reads like the functions of the ORM
    """The sort key of a field for the ORM.

    It is a plain Func of Django, so that migrations have its SQL and import nothing of this site.
    """
    return Func(name, template=KEY.format("%(expressions)s"), output_field=TextField())
