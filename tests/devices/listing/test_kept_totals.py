"""Counts that are known for a while, by processes that hear the news."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.listing import kept_totals
from devices.listing.kept_lines import KEPT_FOR
from devices.listing.kept_totals import KNOWN_FOR, MOST_COUNTS, Counts, VeryMany
from tests.factories import T0


class Told:
    """News as a process hears them, or does not."""

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens
        self.number = 0

    def state(self, organizations: object) -> tuple[int, ...] | None:
        return (self.number,)


class Counting:
    """Numbers that are asked for, and how often they were counted."""

    def __init__(self) -> None:
        self.kept, self.counted = Counts(), 0

    def count(self) -> dict[str, int]:
        self.counted += 1
        return {"line": self.counted}

    def ask(self, key: object = "mine", seconds: float = 0, organizations: tuple[int, ...] = (1,)) -> int:
        at = T0 + timedelta(seconds=seconds)
        return self.kept.numbers(key, organizations, at, self.count)["line"]


def test_what_was_counted_is_known_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=True))
    known = VeryMany()
    known.note("a tag", T0)
    moments = [T0, T0 + KNOWN_FOR - timedelta(seconds=1), T0 + KNOWN_FOR, T0 - KNOWN_FOR]
    assert [known.knows("a tag", at) for at in moments] == [True, True, False, False]
    assert not known.knows("another", T0)


def test_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=True))
    monkeypatch.setattr(kept_totals, "MOST", 2)
    known = VeryMany()
    for thing in ("first", "second", "third"):
        known.note(thing, T0)
    assert [known.knows(thing, T0) for thing in ("first", "second", "third")] == [False, True, True]


def test_who_hears_nothing_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=False))
    known = VeryMany()
    known.note("a tag", T0)
    assert not known.knows("a tag", T0)


def test_numbers_are_counted_again_after_news_and_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(listens=True)
    monkeypatch.setattr(kept_totals, "LISTENER", told)
    counting = Counting()
    assert [counting.ask(seconds=at) for at in (0, 9, 9)] == [1, 1, 1]
    told.number += 1
    assert [counting.ask(seconds=at) for at in (9, 10)] == [2, 2]
    assert counting.ask(seconds=9 + KEPT_FOR.total_seconds()) == 3
    assert [counting.ask("another"), counting.ask("another")] == [4, 4]


def test_numbers_of_no_organization_are_counted_each_time_and_so_by_who_hears_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=True))
    counting = Counting()
    assert [counting.ask(organizations=()) for _ in range(2)] == [1, 2]
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=False))
    assert [counting.ask() for _ in range(2)] == [3, 4]


def test_only_the_latest_numbers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_totals, "LISTENER", Told(listens=True))
    counting = Counting()
    for key in range(MOST_COUNTS + 1):
        counting.ask(key)
    assert counting.ask(MOST_COUNTS) == MOST_COUNTS + 1
    assert counting.ask(0) == MOST_COUNTS + 2
