"""How long functions are: nearly all can be read at a glance."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from tests.test_layout import python_files

LONGEST: Final = 22  # lines of the 95th percentile


def function_lengths(path: Path) -> list[int]:
    """The lines of each function in a file, from its `def` to its end, with docstrings."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]


def test_functions_are_short() -> None:
    lengths = sorted(length for path in python_files() for length in function_lengths(path))
    assert lengths[len(lengths) * 95 // 100] <= LONGEST


def test_a_function_is_as_long_as_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "functions.py"
    path.write_text("def first() -> None:\n    pass\n\n\nasync def second() -> None: ...\n")
    assert function_lengths(path) == [2, 1]
