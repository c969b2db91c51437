"""The four journeys of docs/architecture.md lead in one direction through files that are there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
DRAWN: Final = re.compile(r"^### (.+?)\n\n((?:    .+\n)+)", re.MULTILINE)
TEXT: Final = (ROOT / "docs" / "architecture.md").read_text().partition("## Four journeys")[2]
JOURNEYS: Final = {
    title: [line.split()[0] for line in drawing.splitlines()] for title, drawing in DRAWN.findall(TEXT)
}
LONGEST: Final = 20

CONTRACTS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
HOUSES: Final = ["templates", "static", *CONTRACTS[0]["layers"]]


def rooms(house: str) -> list[list[str]]:
    """The rooms of a house from the top, those that stand side by side together."""
    layers = next(each["layers"] for each in CONTRACTS if each.get("containers") == [house])
    return [re.split(r"\s*[:|]\s*", layer) for layer in layers]


def height(path: str) -> tuple[int, int]:
    """How far from the top a file stands: its house, then its room."""
    house, room = path.removesuffix(".py").split("/")[:2]
    if house in {"templates", "static"}:
        return 0, 0
    return HOUSES.index(house), next(at for at, names in enumerate(rooms(house)) if room in names)


def test_there_are_four() -> None:
    assert len(JOURNEYS) == 4, JOURNEYS.keys()


@pytest.mark.parametrize("title", JOURNEYS)
def test_it_leads_down_through_few_files_that_are_there(title: str) -> None:
    crossed = JOURNEYS[title]
    assert [path for path in crossed if not (ROOT / path).is_file()] == []
    assert len(set(crossed)) == len(crossed) <= LONGEST
    heights = [height(path) for path in crossed]
    assert heights == sorted(heights), [*zip(crossed, heights, strict=True)]
