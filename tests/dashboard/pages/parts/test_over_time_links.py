"""The stacked picture of counts per status: on the Fleets page, and on the page of a fleet."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dashboard.pages.parts.chart import RANGES
from dashboard.pages.parts.over_time import over_time
from devices import clock, connectivity
from devices.clock import Moment
from devices.connectivity import outages
from devices.history import rollups
from devices.models import FleetTally, SourceOutage
from devices.rules.vocabulary import Status
from fleets.models import Fleet, Organization
from tests.factories import T0, make_device, make_fleet
from tests.mirrors import mirror
from tests.pages import html_of, refresh, text_of

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = T0 + timedelta(days=40, minutes=20)


def tally(whose: Fleet | Organization, at: datetime, **counts: int) -> FleetTally:
    """As it would have been written; not saved."""
    fleet, owner = (whose, whose.organization) if isinstance(whose, Fleet) else (None, whose)
    numbers = [counts.get(slug.replace("-", "_"), 0) for slug in Status.values]
    return FleetTally(organization=owner, fleet=fleet, at=at, counts=numbers)


def counted(whose: Fleet | Organization, at: datetime, **counts: int) -> None:
    tally(whose, at, **counts).save()


@pytest.fixture
def month(fleet: Fleet) -> Moment:
    """Forty days of a fleet: ten devices, of which two were offline in every third hour. Returns now."""
    FleetTally.objects.bulk_create(
        tally(whose, T0 + hours * HOUR, online=10 - offline, offline=offline)
        for hours in range(40 * 24 + 1)
        for offline in [2 if hours % 3 == 0 else 0]
        for whose in (fleet, fleet.organization)
    )
    return clock.moment(NOW)


@pytest.mark.parametrize(("name", "columns", "rows"), [("24h", 24, 24), ("7d", 85, 8), ("30d", 91, 31)])
def test_each_column_says_what_was_counted_at_its_hour(
    fleet: Fleet, month: Moment, name: str, columns: int, rows: int
) -> None:
    shown = over_time([fleet.organization], RANGES[name], month)
    assert (len(shown.columns), len(shown.rows)) == (columns, rows)
    assert (shown.columns[-1].at, shown.columns[-1].words) == (
        NOW - timedelta(minutes=20),
        shown.rows[0][0].words,
    )
    for column in shown.columns:
        offline = 2 if (column.at - T0) // HOUR % 3 == 0 else 0
        assert {status: n for status, n in column.counts.items() if n} == (
            {Status.ONLINE: 8, Status.OFFLINE: 2} if offline else {Status.ONLINE: 10}
        )
    assert (shown.top, shown.statuses) == (2, [Status.ONLINE, Status.OFFLINE])
    assert shown.words == "Online 8 to 10, Offline 0 to 2"


def test_what_is_not_well_is_drawn_on_a_scale_of_its_own_and_the_worst_on_the_ground(fleet: Fleet) -> None:
    counted(fleet, T0 - HOUR, online=100_000, offline=1)
    counted(fleet, T0, online=99_000, offline=20, heartbeat_only=20)
    shown = over_time([], RANGES["24h"], clock.moment(T0), fleet)
    assert shown.top == 40
    assert {area.status: area.path for area in shown.areas} == {
        Status.OFFLINE: "M916.7 98.3H958.3V100H916.7zM958.3 50.8H1000V100H958.3z",
        Status.HEARTBEAT_ONLY: "M958.3 0.8H1000V50H958.3z",
    }
    assert shown.newest == [(Status.OFFLINE, 20), (Status.HEARTBEAT_ONLY, 20)]
    assert shown.others == [(Status.ONLINE, 99_000)]


@pytest.mark.parametrize(
    ("offline", "top"), [(0, 1), (1, 1), (7, 8), (10, 10), (11, 20), (501, 600), (1001, 2000)]
)
def test_the_scale_ends_at_a_round_number(fleet: Fleet, offline: int, top: int) -> None:
    counted(fleet, T0, offline=offline)
    assert over_time([], RANGES["24h"], clock.moment(T0), fleet).top == top


def test_the_simple_vocabulary_folds_here_too(fleet: Fleet, settings: Settings) -> None:
    settings.SIMPLE_STATUSES = True
    counted(fleet, T0, online=1, vpn_only=2, heartbeat_only=3, frozen=4)
    shown = over_time([], RANGES["24h"], clock.moment(T0), fleet)
    assert shown.columns[0].words == "12:00: 6 Online, 4 Inactive"


def test_a_time_without_us_is_hatched(fleet: Fleet, month: Moment) -> None:
    for at in (NOW - 5 * HOUR, NOW - 4 * HOUR):
        outages.record_liveness(at)
    shown = over_time([], RANGES["24h"], clock.moment(NOW), fleet)
    assert [mark.words.split(",")[0].split(" since")[0] for mark in shown.outages] == ["Not observed"] * 2
    assert all(mark.whole for mark in shown.outages)


def said(organizations: list[Organization], fleet: Fleet | None = None) -> list[tuple[str, bool]]:
    """What is said of each time that was not observed at NOW, and whether of all devices."""
    shown = over_time(organizations, RANGES["24h"], clock.moment(NOW), fleet)
    return [(mark.words.replace("\u00a0", " "), mark.whole) for mark in shown.outages]


def test_a_time_in_which_a_source_was_not_read_is_hatched_for_its_devices(
    fleet: Fleet, month: Moment
) -> None:
    source = mirror(make_device(fleet), swept_at=NOW - 4 * MINUTE)
    SourceOutage.objects.create(source=source, began_at=NOW - 5 * HOUR, ended_at=NOW - 4 * HOUR)
    over, lasting = "7:20:00 to 08:20:00 (1 h)", "since 12:16:00"
    assert said([], fleet) == [(f"Not observed, 0{over}", True), (f"Not observed {lasting}", True)]
    assert said([fleet.organization]) == [
        (f"Devices of api.example not observed, 0{over}", False),
        (f"Devices of api.example not observed {lasting}", False),
    ]
    assert said([], make_fleet(fleet.organization)) == []
    assert said([make_fleet().organization]) == []


def test_of_a_fleet_with_a_relay_only_some_devices_were_not_observed(fleet: Fleet, month: Moment) -> None:
    mirror(
        make_device(fleet), swept_at=NOW - HOUR, relay_host="api.devices.example", relay_to="http://api:80"
    )
    assert [whole for _, whole in said([], fleet)] == [False]


def test_both_pages_hatch_what_was_not_observed(reader: Client, fleet: Fleet) -> None:
    now = clock.now()
    mirror(make_device(fleet), swept_at=now - HOUR)
    for whose in (fleet, fleet.organization):
        counted(whose, rollups.floor(now), online=1)
    for path, height in (("/", 14), ("/fleets/kiosks/", 112)):
        page = html_of(reader.get(path))
        hatched = re.search(r'<rect class="hatched" x="[^"]+" width="[^"]+" y="0" height="(\d+)"/>', page)
        assert hatched
        assert int(hatched[1]) == height
        assert "not observed" in text_of(reader.get(path))


def test_both_pages_show_it_with_a_table_that_keys_can_reach(reader: Client, fleet: Fleet) -> None:
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    device = make_device(fleet, created_at=hour - 5 * HOUR)
    connectivity.record_heartbeats([device.pk], hour - 3 * HOUR + MINUTE)  # lost before the next full hour
    for path in ("/", "/fleets/kiosks/"):
        assert "The first count is not in yet" in text_of(reader.get(path))
    connectivity.settle()
    rollups.keep()
    for path in ("/", "/fleets/kiosks/?range=7d"):
        page = html_of(reader.get(path))
        assert re.search(r'role="group" aria-label="Devices over [^:]+: Offline 0 to 1, Post Prov', page)
        table = re.search(r'<details class="told".*?</details>', page, re.DOTALL)
        assert table
        led_to = re.findall(r'<th scope="row"><a href="(\?[^"]*at=[^"]+Z)">', table[0])
        assert led_to
        assert re.search(r'<a [^>]*href="\?range=30d">30 d</a>', page)
        assert page.count("<pattern ") == 1
    assert "Over time" not in text_of(reader.get("/devices/"))


def test_nobody_sees_the_counts_of_others(reader: Client, fleet: Fleet) -> None:
    other = make_fleet()
    counted(other.organization, rollups.floor(clock.now()), online=7)
    assert "The first count is not in yet" in text_of(reader.get("/"))
    assert reader.get(f"/fleets/{other.slug}/").status_code == 404


def test_the_picture_is_one_question_and_no_news_within_the_hour(
    reader: Client, fleet: Fleet, month: Moment
) -> None:
    for of in RANGES.values():
        with CaptureQueriesContext(connection) as queries:
            over_time([fleet.organization], of, month)
        assert len(queries) == 1
    make_device(fleet)
    tag = refresh(reader, "/fleets/kiosks/")["HX-PTag"]
    assert 304 in {refresh(reader, "/fleets/kiosks/", tag).status_code for _ in range(2)}
