"""Files that a spreadsheet may open: whichever separator it uses, no cell is a formula."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.operations.csv_cells import cell, csv_lines, plain

SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
SEPARATORS = [",", ";", "\t", "|"]


def begins(text: str, separator: str) -> list[str]:
    """How the cells begin for whoever separates them so, with quotes or without."""
    quoted = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    plain = [cell for row in re.split(r"[\r\n]", text) for cell in row.split(separator)]
    return [cell.lstrip(' "\u3000') for cell in quoted + plain]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("x;=1+1", "x;'=1+1"),
        ("x\t=1+1", "x\t'=1+1"),
        ("x|@SUM(1)", "x|'@SUM(1)"),
        ("x\n+1", "x\n'+1"),
        ("x;;=1", "x;;'=1"),
        ("\t=1", "'\t'=1"),
        ('x; "=1"', 'x; "\'=1"'),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("x;\uff20a", "x;'\uff20a"),
        (-5, "'-5"),
        ({"site": "a;=1"}, '{"site": "a;\'=1"}'),
        ("pump-1; 2026-11-24, a=b", "pump-1; 2026-11-24, a=b"),
        ("", ""),
        (None, ""),
    ],
)
def test_what_a_spreadsheet_would_run_is_quoted_after_every_separator(value: object, written: str) -> None:
    assert cell(value) == written


@given(
    st.lists(st.text(alphabet='=+-@\uff1d\uff0d,;|\t\r\n "\u3000ax1', max_size=12), min_size=1, max_size=3)
)
def test_no_cell_is_a_formula_whichever_separator_a_spreadsheet_uses(values: list[str]) -> None:
    text = csv_lines([values, values])
    for separator in SEPARATORS:
        assert not [each for each in begins(text, separator) if each.startswith(SIGNS)]


@given(st.lists(st.lists(st.text(alphabet="=-@,;\t\r\n \"'a", max_size=4), min_size=2, max_size=2)))
def test_a_file_has_every_cell_as_it_is_written_alone(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_lines(rows), newline="")))
    assert read == [[cell(value) for value in row] for row in rows]


@given(st.text(alphabet="=+-@\uff1d\uff0d,;|\t\r\n \"'\u3000ax1", max_size=16))
def test_a_cell_is_read_back_as_it_was(value: str) -> None:
    assert plain(cell(value)) == value


@pytest.mark.parametrize(
    ("value", "written"), [("'=1", "''=1"), ("'\t", "''\t"), ("it's", "it's"), ("'", "'")]
)
def test_an_apostrophe_of_the_text_itself_is_told_from_ours(value: str, written: str) -> None:
    assert (cell(value), plain(written)) == (written, value)
