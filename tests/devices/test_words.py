"""How times, durations and numbers read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from devices import words

AT = datetime(2026, 11, 20, 14, 19, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(), "0 s"),
        (timedelta(seconds=59, milliseconds=999), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=17, seconds=59), "17 min"),
        (timedelta(minutes=60), "1 h"),
        (timedelta(hours=3, minutes=34), "3 h 34 min"),
        (timedelta(hours=24), "1 d"),
        (timedelta(days=13, hours=21), "13 d 21 h"),
        (timedelta(days=14, hours=21), "14 d"),
        (timedelta(days=59), "59 d"),
        (timedelta(days=60), "2 months"),
        (timedelta(days=400), "13 months"),
    ],
)
def test_durations_have_two_units_at_most(span: timedelta, text: str) -> None:
    assert words.duration(span) == text.replace(" ", "\u00a0")


def test_a_countdown_keeps_its_seconds() -> None:
    assert words.duration(timedelta(minutes=5, seconds=11), precise=True) == "5\u00a0min\u00a011\u00a0s"
    assert words.duration(timedelta(minutes=5), precise=True) == "5\u00a0min"
    assert words.duration(timedelta(hours=2, seconds=11), precise=True) == "2\u00a0h"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 20, 14, 2, 11, tzinfo=UTC), "15:02:11"),
        (datetime(2026, 11, 19, 23, 30, tzinfo=UTC), "00:30:00"),
        (datetime(2026, 11, 17, 8, 26, tzinfo=UTC), "17 Nov 09:26"),
        (datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "1 Jan 00:30"),
        (datetime(2025, 12, 31, 12, tzinfo=UTC), "31 Dec 2025"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 02:30 UTC+2"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 02:30 UTC+1"),
        (datetime(2026, 10, 25, 2, 0, tzinfo=UTC), "25 Oct 03:00"),
    ],
)
def test_clock_times_are_as_long_as_they_must_be(moment: datetime, text: str) -> None:
    with timezone.override(ZoneInfo("Europe/Oslo")):
        assert words.clock(moment, AT) == text


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "20 Nov 2026 14:19:30 UTC"),
        ("Europe/Oslo", "20 Nov 2026 15:19:30 UTC+1"),
        ("America/St_Johns", "20 Nov 2026 10:49:30 UTC-3:30"),
    ],
)
def test_the_full_time_names_its_zone(zone: str, text: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        assert words.full(AT) == text


def test_thousands_are_thinly_spaced() -> None:
    assert [words.thousands(number) for number in (0, 999, 1204, 1234567)] == [
        "0",
        "999",
        "1\u2009204",
        "1\u2009234\u2009567",
    ]


@pytest.mark.parametrize(
    ("noun", "many"),
    [("Fleet", "Fleets"), ("Factory", "Factories"), ("Bay", "Bays"), ("Box", "Boxes"), ("Bus", "Buses")],
)
def test_nouns_of_the_site_have_a_plural(noun: str, many: str) -> None:
    assert words.plural(noun) == many
