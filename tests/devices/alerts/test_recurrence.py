"""When maintenance windows last: wall times that recur, over the days on which clocks are set."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import vRecur

from devices.alerts.recurrence import Frequency, Occurrence, current, occurrences, rule
from devices.alerts.wall_time import inside, next_change, placed
from devices.models import MaintenanceWindow

ZONES = (
    *("UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Moscow"),
    *("Europe/Istanbul", "Atlantic/Azores", "Atlantic/Reykjavik", "Africa/Cairo", "Africa/Casablanca"),
    *("Africa/Johannesburg", "Africa/Nairobi", "Africa/Lagos", "America/New_York", "America/Chicago"),
    *("America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage", "America/Halifax"),
    *("America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Havana", "America/Asuncion"),
    *("America/Bogota", "America/Mexico_City", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu"),
    *("Asia/Shanghai", "Asia/Tokyo", "Asia/Jerusalem", "Asia/Beirut", "Australia/Sydney"),
    *("Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia"),
)
MINUTE = timedelta(minutes=1)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


walls = st.datetimes(wall("2015-01-01"), wall("2030-01-01")).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)
# Around the hours at which clocks are set in many zones.
nights = st.tuples(
    st.sampled_from([date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1)]),
    st.integers(0, 6 * 60),
).map(lambda night: datetime.combine(night[0], time()) + night[1] * MINUTE)
zones = st.sampled_from(ZONES).map(ZoneInfo)


def window(starts: str, ends: str, zone: str = "Europe/Berlin", recurrence: str = "") -> MaintenanceWindow:
    return MaintenanceWindow(title="Rewiring", starts=starts, ends=ends, zone=zone, recurrence=recurrence)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first_moment_that_shows(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first minute at which a clock on the wall shows this time or a later one."""
    at = wall.replace(tzinfo=UTC) - timedelta(hours=15)
    for step in (timedelta(hours=1), MINUTE):
        while (at + step).astimezone(zone).replace(tzinfo=None) < wall:
            at += step
    return at + MINUTE


@given(st.one_of(walls, nights), zones)
def test_a_wall_time_is_the_first_moment_at_which_clocks_have_reached_it(
    wall: datetime, zone: ZoneInfo
) -> None:
    assert placed(wall, zone) == first_moment_that_shows(wall, zone)


@pytest.mark.parametrize(
    ("starts", "ends", "hours"),
    [
        ("2026-03-28T01:00:00", "2026-03-28T05:00:00", 4),
        ("2026-03-29T01:00:00", "2026-03-29T05:00:00", 3),  # an hour is skipped
        ("2026-10-25T01:00:00", "2026-10-25T05:00:00", 5),  # an hour comes twice
        ("2026-03-29T02:30:00", "2026-03-29T04:00:00", 1),  # it starts when the skipped hour ends
        ("2026-10-25T02:30:00", "2026-10-25T03:30:00", 2),  # it starts the first time that it is 2:30
    ],
)
def test_it_lasts_from_wall_time_to_wall_time(starts: str, ends: str, hours: float) -> None:
    (only,) = occurrences(window(starts, ends), utc("2026-01-01T00:00"))
    assert only.end - only.start == timedelta(hours=hours)


def test_what_begins_and_ends_in_a_skipped_hour_does_not_come() -> None:
    of_an_hour = window("2026-03-29T02:10:00", "2026-03-29T02:50:00")
    assert list(occurrences(of_an_hour, utc("2026-01-01T00:00"))) == []


def test_a_thousand_nights_keep_their_hour() -> None:
    nightly = window("2026-01-01T22:00:00", "2026-01-02T02:00:00", recurrence=rule("DAILY", until=None))
    found = list(islice(occurrences(nightly, utc("2026-01-01T00:00")), 1000))
    berlin = ZoneInfo("Europe/Berlin")
    assert [each.start.astimezone(berlin).replace(tzinfo=None) for each in found] == [
        wall("2026-01-01T22:00") + number * timedelta(days=1) for number in range(1000)
    ]


def weekdays_of(first: datetime, frequency: Frequency, interval: int, weekday: int, week: int) -> list[date]:
    """The days of two years on which it comes, counted by the calendar."""
    days = [first.date() + timedelta(days=number) for number in range(731)]
    if frequency == "DAILY":
        return days[::interval]
    if frequency == "WEEKLY":
        monday = first.date() - timedelta(days=first.weekday())
        return [day for day in days if day.weekday() == weekday and (day - monday).days // 7 % interval == 0]
    months = [(day.year - first.year) * 12 + day.month - first.month for day in days]
    found = []
    for day, month in zip(days, months, strict=True):
        last = (day + timedelta(days=7)).month != day.month
        of_month = last if week == -1 else (day.day - 1) // 7 + 1 == week
        if month % interval == 0 and day.weekday() == weekday and of_month:
            found.append(day)
    return found


@given(
    walls,
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]),
    st.integers(1, 5),
    st.integers(0, 6),
    st.sampled_from([1, 2, 3, 4, 5, -1]),
)
def test_it_recurs_as_the_calendar_says(
    first: datetime, frequency: Frequency, interval: int, weekday: int, week: int
) -> None:
    day = None if frequency == "DAILY" else weekday
    text = rule(frequency, interval=interval, weekday=day, week=week * (frequency == "MONTHLY"), until=None)
    assert vRecur.from_ical(text)["FREQ"] == [frequency]  # as others read it
    recurring = window(first.isoformat(), (first + timedelta(hours=1)).isoformat(), "UTC", text)
    expected = weekdays_of(first, frequency, interval, weekday, week)
    found = list(islice(occurrences(recurring, first.replace(tzinfo=UTC)), len(expected)))
    assert [each.start.date() for each in found] == expected


def test_the_last_day_is_one_of_them() -> None:
    until = window("2026-05-04T22:00:00", "2026-05-04T23:00:00", "UTC", rule("DAILY", until=date(2026, 5, 6)))
    found = [each.start.day for each in occurrences(until, utc("2026-05-01T00:00"))]
    assert found == [4, 5, 6]


@given(st.integers(0, 3000))
def test_of_a_window_that_recurs_any_moment_finds_the_next(minutes: int) -> None:
    daily = window("2026-05-04T22:00:00", "2026-05-05T02:00:00", recurrence=rule("DAILY", until=None))
    at = utc("2026-05-06T00:00") + minutes * MINUTE
    every = list(islice(occurrences(daily, utc("2026-05-01T00:00")), 10))
    assert next(occurrences(daily, at)) == next(each for each in every if each.end > at)


@pytest.mark.parametrize(
    ("at", "lasts"),
    [("19:59", False), ("20:00", True), ("23:59", True), ("21:30", True)],
)
def test_it_includes_its_start_and_excludes_its_end(at: str, *, lasts: bool) -> None:
    once = window("2026-05-04T22:00:00", "2026-05-05T02:00:00")  # 20:00 to 0:00 UTC
    assert bool(current(once, utc(f"2026-05-04T{at}"))) is lasts
    assert not current(once, utc("2026-05-05T00:00"))


def test_ended_early_it_comes_again_and_cancelled_it_does_not() -> None:
    start = utc("2026-05-04T20:00")
    nightly = window("2026-05-04T22:00:00", "2026-05-05T02:00:00", recurrence=rule("DAILY", until=None))
    nightly.ended_at = start + timedelta(hours=1)
    first, second = islice(occurrences(nightly, utc("2026-05-01T00:00")), 2)
    assert first == Occurrence(start, nightly.ended_at)
    assert second == Occurrence(start + timedelta(days=1), start + timedelta(days=1, hours=4))
    nightly.cancelled_at = start + timedelta(days=1, hours=2)
    ended = list(occurrences(nightly, utc("2026-05-01T00:00")))
    assert ended == [first, Occurrence(second.start, nightly.cancelled_at)]


WORKING_DAYS = [(day, 480, 1080) for day in range(5)]  # 8:00 to 18:00


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-05-04T05:59", False),  # a Monday, 7:59 in Berlin
        ("2026-05-04T06:00", True),
        ("2026-05-04T15:59", True),
        ("2026-05-04T16:00", False),
        ("2026-05-09T10:00", False),  # a Saturday
    ],
)
def test_weekly_hours(at: str, *, expected: bool) -> None:
    assert inside(WORKING_DAYS, ZoneInfo("Europe/Berlin"), utc(at)) is expected


def test_the_next_change_of_weekly_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert next_change(WORKING_DAYS, berlin, utc("2026-05-08T16:00")) == utc("2026-05-11T06:00")
    assert next_change(WORKING_DAYS, berlin, utc("2026-05-04T06:00")) == utc("2026-05-04T16:00")
    always = [(day, 0, 1440) for day in range(7)]
    assert inside(always, berlin, utc("2026-03-29T01:00"))
    assert next_change(always, berlin, utc("2026-05-04T06:00")) is None
