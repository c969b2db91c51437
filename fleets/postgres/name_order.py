"""The order of names, alike in every database: by a key of letters apart from their marks, A to Z as a to z.

By itself a database sorts as the machine does on which it was created. Not every server has collations of ICU
(the embedded PostgreSQL is built without it), and those of ICU and of the system change with their version,
which makes an index wrong. This key is made by PostgreSQL alone and compared by code points.
"""

from __future__ import annotations

from typing import Final
from unicodedata import normalize

from django.db.models import Func, TextField

KEY: Final = 'lower(normalize({}, NFD) COLLATE "C")'
SMALL: Final = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def sql(column: str) -> str:
    """The key of a column in SQL; an index over it must read alike."""
    return KEY.format(column)


def key(name: str) -> str:
    """The same key of a text."""
    return normalize("NFD", name).translate(SMALL)


def NameKey(name: str) -> Func:  # noqa: N802 - reads like the functions of the ORM
    """The same key for the ORM. A function of Django's own: migrations hold its SQL, and import nothing."""
    return Func(name, template=KEY.format("%(expressions)s"), output_field=TextField())
