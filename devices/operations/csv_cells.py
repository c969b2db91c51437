"""The cells of a CSV file that a spreadsheet may open, written and read back: none is run as a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder

# A spreadsheet takes a cell that begins with one of these for a formula and runs it; some take the
# full-width signs too. Where it separates cells by something else than we do, a cell may begin after any of
# the separators, and it drops spaces and quotes.
SIGNS: Final = "-=+@\uff1d\uff0b\uff0d\uff20"


# An apostrophe before it makes it a text. Apostrophes that stand there already count: one more is put before
# them, so that taking one away always gives what it was.
FORMULA: Final = re.compile(rf"""((?:^|[,;|\t\r\n])[\s",;|]*+)('*+[{SIGNS}])?""")


BREAK: Final = re.compile(r"'*+[\t\r]")  # the same at the very beginning, by itself


BOM: Final = "\ufeff"  # without it Excel reads UTF-8 as something else


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    """These rows in CSV. A structure is written as JSON; what a spreadsheet would run is
    quoted by an apostrophe, whichever separator it uses."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str:
    if value is None:
        return ""
    words = value if isinstance(value, str) else as_json(value)
    if BREAK.match(words):
        words = f"'{words}"
    return FORMULA.sub(_quoted, words)


def plain(words: str) -> str:
    """The text that `cell` has written so, or a person behind an apostrophe into a spreadsheet."""
    if words.startswith("'") and BREAK.match(words):
        words = words[1:]
    return FORMULA.sub(_unquoted, words)


def _quoted(begins: re.Match[str]) -> str:
    return f"{begins[1]}'{begins[2]}" if begins[2] else begins[0]


def _unquoted(begins: re.Match[str]) -> str:
    return begins[1] + (begins[2] or "").removeprefix("'")


def as_json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
