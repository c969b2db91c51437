"""What is shown of lines is kept for a moment, and made again of those that changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.pages.attention import kept_items
from dashboard.pages.attention.kept_items import KeptItems, Wanted
from devices.listing.grouping import Lost, grouped
from devices.listing.kept_lines import KEPT_FOR
from devices.models import Device
from devices.operations import editing
from devices.operations.fleet_settings import change_fleet
from fleets.models import Fleet, Organization
from fleets.postgres.listener import LISTENER
from tests.dashboard.pages.attention.lost import lose
from tests.dashboard.pages.attention.test_list import GROUP_QUERIES
from tests.factories import T0, make_device
from tests.pages import text_of


def wanted(device: int = 1, number: int = 1, settings: Hashable = "so", version: str = "1 7") -> Wanted:
    (line,) = LINES[device].lines
    return Wanted(line, number, settings, version)


def lost(device: int) -> Lost:
    return Lost(device, "", "", 1, "offline", 0, 0, "vpn", 0, None, None, None, "", "{}")


LINES = {device: grouped([lost(device)], lambda fleets: {}) for device in range(1, 5)}


class Making:
    """What is made of lines, with how often it was."""

    def __init__(self) -> None:
        self.kept, self.number = KeptItems[int](), 0

    def make(self, some: Sequence[Wanted]) -> dict[str, int]:
        self.number += len(some)
        return {each.line.id: self.number for each in some}

    def ask(self, *some: Wanted, seconds: float = 0) -> list[int]:
        return list(self.kept.made(some, T0 + timedelta(seconds=seconds), self.make).values())


def test_it_is_made_once_of_lines_that_stay_and_anew_of_others() -> None:
    making = Making()
    assert making.ask(wanted(1), wanted(2)) == [2, 2]
    assert making.ask(wanted(1), wanted(2), wanted(3), seconds=9) == [2, 2, 3]


@pytest.mark.parametrize(
    "other", [wanted(number=2), wanted(settings="otherwise"), wanted(version="1 8"), wanted(settings=None)]
)
def test_it_is_made_anew_where_something_is_otherwise(other: Wanted) -> None:
    making = Making()
    assert [making.ask(wanted()), making.ask(other)] == [[1], [2]]


def test_it_is_made_anew_after_a_while() -> None:
    making = Making()
    assert making.ask(wanted()) == [1]
    assert making.ask(wanted(), seconds=KEPT_FOR.total_seconds()) == [2]


def test_nothing_is_kept_without_settings_and_only_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making()
    assert [making.ask(wanted(settings=None)) for _ in range(2)] == [[1], [2]]
    monkeypatch.setattr(kept_items, "MOST", 2)
    for device in (1, 2, 3):
        making.ask(wanted(device))
    assert making.ask(wanted(3)) == [5]
    assert making.ask(wanted(1)) == [6]


@pytest.fixture
def news(monkeypatch: pytest.MonkeyPatch, organization: Organization) -> Callable[[], None]:
    """A process that hears the news; call it for some."""
    monkeypatch.setattr(LISTENER, "listens", True)

    def tell() -> None:
        LISTENER._counts[organization.pk] += 1

    return tell


def renamed(devices: Sequence[Device]) -> str:
    Device.objects.filter(pk=devices[0].pk).update(name="renamed")
    return "renamed"


def with_another_fleet(devices: Sequence[Device]) -> str:
    fleet = Fleet.objects.get(pk=devices[0].fleet_id)
    change_fleet(fleet=fleet, actor=None, name="harbour")
    return "harbour"


def edited(devices: Sequence[Device]) -> str:
    editing.edit(device=devices[0], actor=None, field="name", value="edited")
    return "edited"


@pytest.mark.django_db
@pytest.mark.parametrize("change", [renamed, with_another_fleet, edited])
def test_after_news_a_page_shows_what_changed(
    reader: Client, fleet: Fleet, news: Callable[[], None], change: Callable[[Sequence[Device]], str]
) -> None:
    devices = lose(fleet, 6)
    before = text_of(reader.get("/attention/"))
    words = change(devices)
    news()
    assert words not in before
    assert words in text_of(reader.get("/attention/"))


@pytest.mark.django_db
def test_after_news_of_other_devices_lines_are_not_made_again(
    reader: Client, fleet: Fleet, news: Callable[[], None], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    lose(fleet, 6)
    other = make_device(fleet)
    assert "6 of 7 devices" in text_of(reader.get("/attention/"))
    Device.objects.filter(pk=other.pk).update(name="renamed")
    news()
    # None for those lost, sizes of fleets, devices, why, their fleets and the shared ones; one for settings.
    with django_assert_num_queries(GROUP_QUERIES - 6 + 1):
        assert "6 of 7 devices" in text_of(reader.get("/attention/"))
