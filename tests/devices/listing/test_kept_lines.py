"""Lines that are kept for a moment: taken again while nothing can have changed, and read anew otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from devices.listing import kept_lines
from devices.listing.grouping import Grouping, Lost
from devices.listing.kept_lines import GROUPINGS, KEPT_FOR, KeptLines
from devices.listing.trouble import Newest
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


def lost(device: int) -> Lost:
    return Lost(device, str(device), "", 1, "offline", 0, 0, "vpn", 0, None, None, None, "", "{}")


@dataclass
class Readings:
    """What asks for lines, with how often devices were read as a whole, compared, and grouped."""

    kept: KeptLines = field(default_factory=KeptLines)
    now: list[Lost] = field(default_factory=lambda: [lost(1)])  # the devices that need attention
    whole: int = 0
    compared: int = 0
    groupings: int = 0
    taken_over: int = 0  # groupings by a former one

    def read(self, known: Newest | None) -> Newest:
        self.whole += known is None
        self.compared += known is not None
        return known if known and known.lost == self.now else Newest(list(self.now))

    def group(self, read: Newest, before: Grouping | None) -> Grouping:
        self.groupings += 1
        self.taken_over += before is not None
        return Grouping({device.id: device for device in read.lost})

    def ask(self, seconds: float = 0, key: str = "mine", way: object = "cause") -> tuple[Newest, Grouping]:
        return self.kept.grouped(key, way, [1], T0 + timedelta(seconds=seconds), self.read, self.group)

    @property
    def done(self) -> tuple[int, int, int]:
        return self.whole, self.compared, self.groupings


def test_devices_are_read_once_while_nothing_changes(news: Told) -> None:
    asked = Readings()
    for seconds in (0, 1, 9):
        asked.ask(seconds)
    assert asked.done == (1, 0, 1)
    asked.ask(key="other")
    assert asked.done == (2, 0, 2)


def test_after_news_they_are_compared_and_grouped_again_only_if_one_was_written(news: Told) -> None:
    asked = Readings()
    first = asked.ask()
    news.number += 1
    assert asked.ask() == first
    assert asked.done == (1, 1, 1)
    asked.ask()  # what was compared is known from then on
    assert asked.done == (1, 1, 1)
    news.number += 1
    asked.now.append(lost(2))
    newest, grouping = asked.ask()
    assert [device.id for device in newest.lost] == list(grouping.devices) == [1, 2]
    assert (asked.done, asked.taken_over) == ((1, 2, 2), 1)


def test_all_are_read_anew_after_a_while_whatever_was_compared_meanwhile(news: Told) -> None:
    asked = Readings()
    asked.ask()
    news.number += 1
    asked.ask(9)
    asked.ask(KEPT_FOR.total_seconds())
    assert asked.done == (2, 1, 2)


def test_who_hears_nothing_reads_everything_each_time(news: Told) -> None:
    asked = Readings()
    news.listens = False
    asked.ask()
    asked.ask()
    assert asked.done == (2, 0, 2)


def test_one_reading_is_grouped_once_in_each_way_and_kept_in_a_few(news: Told) -> None:
    asked = Readings()
    for way in ("cause", "site", "cause", "site"):
        asked.ask(way=way)
    assert asked.done == (1, 0, 2)
    for number in range(GROUPINGS + 1):
        asked.ask(way=number)
    assert all(len(kept.groupings) <= GROUPINGS for kept in asked.kept._kept.values())
