"""The cells of a CSV file that a spreadsheet may open, written and read back: none is run as a formula."""

from __future__ import annotations

import csv
import io
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


RUN: Final = re.compile(rf"""[,;|\t\r\n][\s",;|]*+'*+[{SIGNS}]""")  # FORMULA with a sign, behind a line break


BOM: Final = "\ufeff"  # without it Excel reads UTF-8 as something else


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    """These rows in CSV. A structure is written as JSON; what a spreadsheet would run is
    quoted by an apostrophe, whichever separator it uses."""
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
    """The text that `cell` has written so, or a person behind an apostrophe into a spreadsheet."""
    if words.startswith("'") and BREAK.match(words):
        words = words[1:]
    return FORMULA.sub(_unquoted, words)


def _quoted(begins: re.Match[str]) -> str:
    return f"{begins[1]}'{begins[2]}" if begins[2] else begins[0]


def _unquoted(begins: re.Match[str]) -> str:
    return begins[1] + (begins[2] or "").removeprefix("'")


def as_json(value: Any) -> str:
    return ENCODER.encode(value)


ENCODER: Final = DjangoJSONEncoder(ensure_ascii=False)
