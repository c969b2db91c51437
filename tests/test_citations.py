"""Every file, module, section and link that code and docs cite exists."""

from __future__ import annotations

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parent.parent
HOUSES: Final = ("dashboard", "devices", "fleets", "tests")
FOLDERS: Final = (*HOUSES, "templates", "static", "docs", "scripts", "requirements", ".ci", ".github")
MADE: Final = {"node_modules", "__pycache__"}
VENDOR: Final = "static/vendor/"  # other people's files, as they are
KINDS: Final = "md|py|html|jinja|js|css|sql|sh|toml|yml|yaml|lua"
COMMENTED: Final = (".html", ".jinja", ".js", ".css", ".sql", ".sh", ".toml", ".yml", ".lua")
COMMENTS: Final = re.compile(r"\{#.*?#\}|/\*.*?\*/|(?:^|\s)(?:#|//|--)\s.*?$", re.DOTALL | re.MULTILINE)

FILE: Final = re.compile(rf"(?<![\w/.:*{{}}-])(?:[\w.-]+/)*[\w-][\w.-]*\.(?:{KINDS})\b(?![\w/*])")
MODULE: Final = re.compile(rf"(?<![\w/.@-])(?:{'|'.join(HOUSES)})(?:\.[A-Za-z_]\w*)+(?![\w/-]|\.\w)")
# A heading, or the name of a call.
SECTION: Final = re.compile(r"\b(\w+\.md), ([A-Z][^;:.)\n]*\w|[a-z]+(?:/[a-z]+)?(?=[;:)]))")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
FENCED: Final = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


class Citation(NamedTuple):
    """`text` as the file `by`, relative to the project, names it."""

    by: str
    text: str


@cache
def files() -> frozenset[str]:
    """All files of the project that may be cited, relative to it."""
    found = {path.name for path in ROOT.iterdir() if path.is_file()}
    for folder in FOLDERS:
        for place, folders, inside in os.walk(ROOT / folder):
            folders[:] = [each for each in folders if each not in MADE]
            found |= {(Path(place) / each).relative_to(ROOT).as_posix() for each in inside}
    return frozenset(found)


@cache
def names() -> frozenset[str]:
    return frozenset(path.rpartition("/")[2] for path in files())


@cache
def texts() -> dict[str, str]:
    """What people read in each file: comments and docstrings of code, documents but their code blocks."""
    ours = (name for name in sorted(files()) if not name.startswith(VENDOR))
    return {name: text for name in ours if (text := said_in(ROOT / name))}


def said_in(path: Path) -> str:
    if path.suffix == ".py":
        return "\n".join(said_in_code(path.read_text()))
    if path.suffix == ".md":
        return FENCED.sub("", path.read_text())
    return "\n".join(COMMENTS.findall(path.read_text())) if path.suffix in COMMENTED else ""


def said_in_code(code: str) -> Iterator[str]:
    """The docstrings and comments of a Python file."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def cited(pattern: re.Pattern[str]) -> set[Citation]:
    return {Citation(by, found[0]) for by, text in texts().items() for found in pattern.finditer(text)}


def is_file(citation: Citation) -> bool:
    """By its path in the project or beside the citing file, or by its name alone."""
    text = citation.text
    if "/" not in text:
        return text in names() or (text.startswith(HOUSES) and is_module(citation))
    beside = (ROOT / citation.by).parent / text
    return any(path.is_file() for path in (ROOT / text, beside, ROOT / "templates" / text))


def is_module(citation: Citation) -> bool:
    """A package, a module, or a name that the module has."""
    place, parts = ROOT, citation.text.split(".")
    for part, inside in zip(parts, [*parts[1:], ""], strict=True):
        module = place / f"{part}.py"
        if module.is_file():
            return has(module, inside)
        place /= part
        if not place.is_dir():
            return has(place.parent / "__init__.py", part)
    return True


def has(module: Path, name: str) -> bool:
    """Whether a module defines or imports this name; any module has none."""
    return module.is_file() and re.search(rf"\b{name}\b", module.read_text()) is not None


def headings(document: str) -> str:
    """What a document's sections and calls are called, in lower case."""
    text = (ROOT / "docs" / document).read_text()
    return "\n".join(re.findall(r"^#+ .*$|\*\*.*?\*\*|`[^`]*`", text, re.MULTILINE)).lower()


def test_files_that_are_cited_exist() -> None:
    found = cited(FILE)
    assert len(found) > 300
    missing = sorted(each for each in found if not is_file(each))
    assert not missing, missing


def test_modules_that_are_cited_exist() -> None:
    found = cited(MODULE)
    assert len(found) > 30
    missing = sorted(each for each in found if not is_module(each))
    assert not missing, missing


def test_documents_that_are_cited_have_the_sections_that_are_named() -> None:
    found = {(by, *match.groups()) for by, text in texts().items() for match in SECTION.finditer(text)}
    assert len(found) > 30
    missing = sorted(each for each in found if each[2].lower() not in headings(each[1]))
    assert not missing, missing


def anchors(document: Path) -> set[str]:
    """What the headings of a document are called in a link."""
    titles = re.findall(r"^#+ (.*)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.is_file() or ROOT not in target.parents:
        return False
    return not anchor or anchor in anchors(target)


DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / VENDOR).glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_documents_lead_to_files_and_headings(path: Path) -> None:
    links = {first or second for first, second in LINK.findall(FENCED.sub("", path.read_text()))}
    ours = {link for link in links if not link.startswith(("http://", "https://", "mailto:"))}
    broken = sorted(link for link in ours if not leads_somewhere(path, link))
    assert not broken, broken


def test_what_does_not_exist_is_found() -> None:
    """So that the tests above can fail."""
    by = "devices/status/__init__.py"
    assert not is_file(Citation(by, "devices/no_such_file.py"))
    assert not is_file(Citation(by, "nothing.md"))
    assert not is_module(Citation(by, "devices.nothing.at_all"))
    assert not is_module(Citation(by, "devices.status.NoSuchName"))
    assert not leads_somewhere(ROOT / "README.md", "docs/domain.md#no-such-heading")
    assert leads_somewhere(ROOT / "README.md", "docs/domain.md#our-own-outages")
    assert [found[0] for found in FILE.finditer("see devices/a.py, (b.md) and `c/d.html`.")] == [
        "devices/a.py",
        "b.md",
        "c/d.html",
    ]
