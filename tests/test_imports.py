"""Who imports whom: `make lint` refuses an import upwards, and no modules import each other in a circle."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import grimp
import pytest
from django.conf import settings

ROOT: Final = Path(settings.BASE_DIR)
HOUSES: Final = ("dashboard", "devices", "fleets")
LINT: Final = "from importlinter.cli import lint_imports_command; lint_imports_command()"  # lint-imports
Imports = dict[str, set[str]]


def lint(root: Path) -> tuple[int, str]:
    """The exit code of import-linter over the houses there, and what it says."""
    asked = [sys.executable, "-c", LINT, "--no-logo", "--no-cache"]
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code of the three houses with its contracts, elsewhere."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for house in HOUSES:
        shutil.copytree(ROOT / house, tmp_path / house, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


UPWARDS: Final = (
    ("fleets.text", "devices.words"),
    ("devices.rules.vocabulary", "devices.models"),
    ("devices.listing.filters", "dashboard.pages.devices.query"),
    ("dashboard.http.scope", "dashboard.account.people"),
    ("dashboard.pages.parts.cursor", "dashboard.pages.devices.links"),
    ("dashboard.pages.fleets.list", "dashboard.pages.devices.links"),
)


def test_every_import_upwards_fails_and_is_named(copy: Path) -> None:
    """All at once, as each look reads every module."""
    for lower, upper in UPWARDS:
        there = copy / upper.replace(".", "/")
        assert there.with_suffix(".py").exists() or there.is_dir()
        with (copy / f"{lower.replace('.', '/')}.py").open("a") as file:
            file.write(f"\nimport {upper}\n")
    code, said = lint(copy)
    assert code == 1
    assert [f"{lower} -> {upper}" for lower, upper in UPWARDS if f"{lower} -> {upper}" not in said] == []


def test_make_lint_asks_for_it() -> None:
    _, _, lint = (ROOT / "Makefile").read_text().partition("\nlint:")
    assert "\tlint-imports" in lint.partition("\n\n")[0].replace(".venv/bin/", "")


def test_the_code_as_it_is_breaks_no_contract(copy: Path) -> None:
    code, said = lint(copy)
    assert (code, "0 broken" in said) == (0, True), said


def test_no_contract_makes_an_exception() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert contracts
    assert [each["name"] for each in contracts if each.get("ignore_imports")] == []


def circles(imports: Imports) -> list[list[str]]:
    """The modules that import each other, whether at once or over others: Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for imported in sorted(imports[module]):
            if imported not in order:
                visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in stack:
                lowest[module] = min(lowest[module], order[imported])
        if lowest[module] == order[module]:
            start = stack.index(module)
            if len(stack) > start + 1 or module in imports[module]:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for module in sorted(imports):
        if module not in order:
            visit(module)
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*HOUSES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 300
    assert circles(imports) == []


def test_a_circle_is_found() -> None:
    chain: Imports = {"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a"}, "e": {"f", "c"}, "f": {"e"}, "g": {"g"}}
    assert circles(chain) == [["e", "f"], ["g"]]
    assert circles(chain | {"c": {"a"}}) == [["a", "b", "c"], ["e", "f"], ["g"]]
