"""The SQL of functions and triggers, which lies in files beside this one.

Each file begins with a comment that says what it is for; a blank line parts it from the SQL. What a trigger
does is the body of its function. A migration holds a copy of its own (devices/migrations/sql/), for it must
do the same for ever; tests/devices/schema/test_texts.py compares these files with what a database has.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Final

FOLDER: Final = Path(__file__).parent


def read(name: str) -> str:
    """The SQL of this name, without the comment."""
    _comment, text = (FOLDER / f"{name}.sql").read_text().split("\n\n", maxsplit=1)
    return text


def body(name: str, *, margin: int = 8, end: int = 4) -> str:
    """What a trigger does, indented to the letter as databases have it: else each would make it anew."""
    return "\n" + indent(read(name), " " * margin) + " " * end
