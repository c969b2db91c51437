"""Lines that are kept for a moment: taken again while nothing can have changed, and read anew otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.listing import kept_lines
from devices.listing.kept_lines import KEPT_FOR, KeptLines, Lines
from tests.factories import T0


class Told:
    """News as a process hears them."""

    listens = True

    def __init__(self) -> None:
        self.number = 0

    def state(self, organizations: object) -> tuple[int, ...] | None:
        return (self.number,)


@pytest.fixture
def news(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(kept_lines, "LISTENER", told)
    return told


class Reads:
    """How often lines were read."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> Lines:
        self.number += 1
        return (), ()


def test_lines_are_read_once_while_nothing_changes(news: Told) -> None:
    kept, reads = KeptLines(), Reads()
    for seconds in (0, 1, 9):
        kept.lines("mine", [1], T0 + timedelta(seconds=seconds), reads)
    assert reads.number == 1
    kept.lines("other", [1], T0, reads)
    assert reads.number == 2


def test_they_are_read_anew_after_news_after_a_while_and_by_who_hears_nothing(news: Told) -> None:
    kept, reads = KeptLines(), Reads()
    kept.lines("mine", [1], T0, reads)
    news.number += 1
    kept.lines("mine", [1], T0, reads)
    assert reads.number == 2
    kept.lines("mine", [1], T0 + KEPT_FOR, reads)
    assert reads.number == 3
    news.listens = False
    kept.lines("mine", [1], T0 + KEPT_FOR, reads)
    assert reads.number == 4
