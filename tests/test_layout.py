"""How files are laid out for reading: none is too long, and no line of a page is wider than a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from django.conf import settings

LONGEST: Final = 160
MOST_LINES: Final = 300  # of a file
LAID_OUT: Final = ("templates/**/*.html", "templates/**/*.jinja", "static/css/*.css")
PYTHON: Final = ("dashboard", "devices", "fleets", "scripts", "tests")


def python_files() -> list[Path]:
    """Every Python file of ours but migrations, which are generated."""
    files = [path for folder in PYTHON for path in sorted((settings.BASE_DIR / folder).rglob("*.py"))]
    return [path for path in files if not {"migrations", "node_modules"} & set(path.parts)]


def longer_lines(path: Path) -> list[str]:
    """Where a file has lines that are too long, as an editor opens them."""
    numbered = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return [f"{path.name}:{number}: {len(line)}" for number, line in numbered if len(line) > LONGEST]


def test_no_file_is_too_long_to_be_read() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert lengths
    assert {str(path): length for path, length in lengths.items() if length > MOST_LINES} == {}


@pytest.mark.parametrize("files", LAID_OUT)
def test_no_line_is_too_long_to_be_read(files: str) -> None:
    paths = sorted(settings.BASE_DIR.glob(files))
    assert paths
    assert [line for path in paths for line in longer_lines(path)] == []


def test_a_line_that_is_too_long_is_found(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(f"{'a' * LONGEST}\n{'b' * (LONGEST + 1)}\n")
    assert longer_lines(path) == ["page.html:2: 161"]
