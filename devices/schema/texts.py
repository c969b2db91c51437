"""Reading the SQL of database functions and triggers from the files in this directory.

Each file begins with a comment on its purpose, then a blank line, then the SQL; for a trigger, the body of
its function. Migrations have copies of their own (devices/migrations/sql/), since they must not change;
tests/devices/schema/test_texts.py compares these files with a migrated database.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Final

FOLDER: Final = Path(__file__).parent


def read(name: str) -> str:
    """The SQL of the file `name`.sql, without its comment."""
    _comment, text = (FOLDER / f"{name}.sql").read_text().split("\n\n", maxsplit=1)
    return text


def body(name: str, *, margin: int = 8, end: int = 4) -> str:
    """The body of a trigger's function from the file `name`.sql.

    Indented by `margin` spaces, and followed by `end` spaces, as in existing databases: with any other text
    each would recreate its triggers.
    """
    return "\n" + indent(read(name), " " * margin) + " " * end
