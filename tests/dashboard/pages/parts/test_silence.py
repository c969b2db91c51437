"""Pages say from when to when the site did not listen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from devices import clock
from devices.connectivity import outages
from devices.words import clock as read
from fleets.models import Fleet
from tests.factories import make_device
from tests.pages import refresh, text_of

pytestmark = pytest.mark.django_db


def ago(minutes: float) -> datetime:
    return clock.now() - timedelta(minutes=minutes)


def words(page: Any) -> str:
    return text_of(page).replace(" :", ":").replace(" .", ".")


@pytest.fixture(params=["/", "/devices/", "/devices/UUID/"])
def path(request: pytest.FixtureRequest, fleet: Fleet) -> str:
    return str(request.param).replace("UUID", make_device(fleet).uuid)


def test_a_page_says_that_no_data_comes(reader: Client, path: str) -> None:
    assert "no data since" not in text_of(reader.get(path))
    since = ago(4)
    outages.record_liveness(since)
    said = words(reader.get(path))
    assert f"Lookout has received no data since {read(since, clock.now())}." in said
    assert "This page shows what was known then." in said


def test_a_refresh_brings_and_takes_it(reader: Client, path: str) -> None:
    outages.record_liveness(ago(4))
    silent = refresh(reader, path)
    assert "Lookout has received no data since" in text_of(silent)
    outages.record_liveness(ago(0))
    assert "Lookout has received no data since" not in text_of(refresh(reader, path, silent["HX-PTag"]))


def test_a_page_says_from_when_to_when_none_came(reader: Client, path: str) -> None:
    start, end = ago(5), ago(0.1)
    outages.record_liveness(start)
    outages.record_liveness(end)
    at = clock.now()
    said = words(reader.get(path))
    assert f"Lookout was down from {read(start, at)} to {read(end, at)}." in said
    assert "Statuses were not changed for that time." in said


def test_a_page_says_that_the_clock_was_set_back(reader: Client, path: str) -> None:
    outages.record_liveness(ago(-1440))  # a day ahead for a moment
    outages.record_liveness(ago(0.1))
    said = words(reader.get(path)).replace("\xa0", " ")
    assert "clock was set back by 1 d at " in said
    assert "No status was changed because of that." in said


@pytest.mark.parametrize(("minutes", "announced"), [(59, True), (60, False)])
def test_it_is_announced_for_an_hour_after_its_end(minutes: float, *, announced: bool) -> None:
    start, end = ago(10), ago(5)
    outage, at = clock.Interruption(start, end), end + timedelta(minutes=minutes)
    assert clock.Moment(at, at, at, outage).announced == (outage if announced else None)
