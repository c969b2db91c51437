"""The lane "Maintenance" of the connectivity picture."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from devices import clock
from devices.alerts import windows
from devices.alerts.windows import Plan
from devices.listing.filters import Tag
from devices.listing.kept_list import KeptFilters
from fleets.models import Fleet, Role
from tests.factories import make_device, make_member
from tests.pages import html_of

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def plan(fleet: Fleet, began: timedelta, length: timedelta, scope: KeptFilters | None = None) -> None:
    at: datetime = clock.now()
    starts = (at - began).replace(tzinfo=None, microsecond=0)
    wanted = Plan(
        title="Rewiring", scope=scope or KeptFilters(), starts=starts, ends=starts + length, zone="UTC"
    )
    actor = make_member(fleet.organization, Role.OPERATOR, f"person-{began}")
    windows.plan(organization=fleet.organization, plan=wanted, actor=actor)


def test_it_is_there_only_where_a_window_covered_the_device(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    plan(fleet, 3 * HOUR, HOUR, KeptFilters(tags=(Tag("site", "depot"),)))
    plan(fleet, -HOUR, HOUR)  # it is yet to come
    address = f"/devices/{device.uuid}/"
    assert "Maintenance over" not in html_of(reader.get(address))
    plan(fleet, 50 * HOUR, HOUR)
    assert "Maintenance over" not in html_of(reader.get(address))
    assert 'aria-label="Maintenance over 7 d"' in html_of(reader.get(f"{address}?range=7d"))


@pytest.mark.parametrize(
    ("length", "words", "shown"), [(HOUR, "(1\u00a0h)", True), (9 * HOUR, "since", False)]
)
def test_a_window_says_when_it_was(
    reader: Client,
    fleet: Fleet,
    length: timedelta,
    words: str,
    shown: bool,  # noqa: FBT001
) -> None:
    plan(fleet, 3 * HOUR, length)
    html = html_of(reader.get(f"/devices/{make_device(fleet).uuid}/"))
    (said,) = [part for part in html.split("<title>") if "Rewiring" in part.split("</title>")[0]]
    assert words in said.split("</title>")[0]
    assert (" to " in said.split("</title>")[0]) == shown
