"""Counts that are known for a while, by processes that hear the news."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import timedelta

import pytest

from devices.listing import kept_totals
from devices.listing.kept_lines import KEPT_FOR
from devices.listing.kept_totals import KNOWN_FOR, MOST_COUNTS, Counts, VeryMany
from tests.factories import T0

MINE = {"line": 1}


class Told:
    """News as a process hears them, or does not."""

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens
        self.number = 0

    def state(self, organizations: object) -> tuple[int, ...] | None:
        return (self.number,)


class Counting:
    """Numbers that are asked for, and how often they were counted and looked at."""

    def __init__(self) -> None:
        self.kept, self.counted, self.looks = Counts(), 0, 0
        self.digest: Hashable = "so"

    def count(self) -> dict[str, int]:
        self.counted += 1
        return {"line": self.counted}

    def look(self) -> Hashable:
        self.looks += 1
        return self.digest

    def ask(
        self,
        key: Hashable = "mine",
        seconds: float = 0,
        organizations: tuple[int, ...] = (1,),
        things: Mapping[str, int] = MINE,
    ) -> int:
        at = T0 + timedelta(seconds=seconds)
        return self.kept.numbers(key, things, organizations, at, self.look, self.count)["line"]


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


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    news = Told(listens=True)
    monkeypatch.setattr(kept_totals, "LISTENER", news)
    return news


def test_numbers_are_counted_again_after_news_that_changed_something_and_after_a_while(told: Told) -> None:
    counting = Counting()
    assert [counting.ask(seconds=at) for at in (0, 9, 9)] == [1, 1, 1]
    told.number, counting.digest = 1, "otherwise"
    assert [counting.ask(seconds=at) for at in (9, 10)] == [2, 2]
    assert counting.ask(seconds=9 + KEPT_FOR.total_seconds()) == 3
    assert [counting.ask("another"), counting.ask("another")] == [4, 4]


def test_news_that_changed_nothing_of_them_takes_a_look_and_no_count(told: Told) -> None:
    counting = Counting()
    counting.ask()
    for told.number in (1, 2):
        assert [counting.ask(), counting.ask()] == [1, 1]
    assert (counting.counted, counting.looks) == (1, 3)


def test_numbers_of_fewer_things_are_known_and_those_of_others_counted(told: Told) -> None:
    counting = Counting()
    numbers = [counting.ask(things=things) for things in ({"line": 1, "second": 1}, {"line": 1}, {"line": 2})]
    assert numbers == [1, 1, 2]


def test_what_no_look_tells_is_counted_after_all_news(told: Told) -> None:
    counting = Counting()
    for told.number in (1, 2):
        counting.kept.numbers("mine", MINE, [1], T0, None, counting.count)
    assert counting.counted == 2


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
