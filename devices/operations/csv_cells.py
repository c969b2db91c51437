"""Writing and reading the cells of CSV files, so that no spreadsheet runs one as a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder

# A spreadsheet runs a cell that begins with one of these signs as a formula; some do so with the full-width
# signs. If it separates cells by another character than we do, a cell may begin after any separator, and
# spaces and quotes are dropped.
SIGNS: Final = "-=+@\uff1d\uff0b\uff0d\uff20"


# The beginning of a formula. An apostrophe before the sign makes it a text. One is added to apostrophes that
# are there already, so that removing one always restores the text.
FORMULA: Final = re.compile(rf"""((?:^|[,;|\t\r\n])[\s",;|]*+)('*+[{SIGNS}])?""")


BREAK: Final = re.compile(r"'*+[\t\r]")  # a tab or a carriage return at the beginning, after apostrophes


RUN: Final = re.compile(rf"""[,;|\t\r\n][\s",;|]*+'*+[{SIGNS}]""")  # FORMULA with a sign, behind a line break


BOM: Final = "\ufeff"  # without it Excel reads UTF-8 as something else


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    """The rows as CSV lines, each value by `cell`."""
    written = [[value if value.__class__ is str else _words(value) for value in row] for row in rows]
    text = _csv(written)
    if _may_run(text):
        text = _csv([_not_run(words) for words in row] for row in written)
    return text


def cell(value: Any) -> str:
    """The value as a cell has it, without the quotes of CSV."""
    return _not_run(_words(value))


def _csv(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _words(value: Any) -> str:
    if value is None:
        return ""
    if value.__class__ is bool:
        return "true" if value else "false"
    return value if isinstance(value, str) else as_json(value)


def _may_run(text: str) -> bool:
    """Whether a CSV may have a cell to be quoted: few do, and one look at all is faster than one at each.

    A cell with a break of lines stands in quotes.
    """
    return any(begins in text for begins in ("\t", '"\r', "'\r")) or bool(RUN.search(f"\n{text}"))


def _not_run(words: str) -> str:
    if BREAK.match(words):
        words = f"'{words}"
    return FORMULA.sub(_quoted, words) if RUN.search(f"\n{words}") else words


def plain(words: str) -> str:
    """The text of a cell that `cell` wrote, or that a person wrote after an apostrophe in a spreadsheet."""
    if words.startswith("'") and BREAK.match(words):
        words = words[1:]
    return FORMULA.sub(_unquoted, words)


def _quoted(begins: re.Match[str]) -> str:
    return f"{begins[1]}'{begins[2]}" if begins[2] else begins[0]


def _unquoted(begins: re.Match[str]) -> str:
    return begins[1] + (begins[2] or "").removeprefix("'")


def as_json(value: Any) -> str:
    """The value as JSON, with dates and times in ISO format."""
    return ENCODER.encode(value)


ENCODER: Final = DjangoJSONEncoder(ensure_ascii=False)
