"""Moments from outside come to UTC and into bounds, or are none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from fleets.postgres import moments

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T12:00Z", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("2026-11-24T12:00+23:59", datetime(2026, 11, 23, 12, 1, tzinfo=UTC)),
        ("2026-11-24T12:00:00-15:59:59.999999", datetime(2026, 11, 25, 3, 59, 59, 999999, tzinfo=UTC)),
        ("2026-11-24T12:00", None),
        ("0001-01-01T00:00+14:00", None),
        ("0001-01-01T00:00Z", None),
        ("1899-12-31T23:59Z", None),
        ("9000-01-01T00:00Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_moment_comes_to_utc_and_into_bounds(text: str, moment: datetime | None) -> None:
    read = moments.read(text)
    assert read == moment
    assert read is None or read.tzinfo is UTC


@pytest.mark.parametrize(("fold", "hour"), [(0, 0), (1, 1)])
def test_of_a_time_that_the_clock_shows_twice_the_one_is_read_that_is_asked_for(fold: int, hour: int) -> None:
    read = moments.read("2026-10-25T02:30", BERLIN, fold=fold)
    assert read == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


def test_days_have_the_same_bounds() -> None:
    assert moments.day("2026-11-24") == date(2026, 11, 24)
    assert {moments.day(text) for text in ("0001-01-01", "9999-12-31", "24.11.2026", "")} == {None}
