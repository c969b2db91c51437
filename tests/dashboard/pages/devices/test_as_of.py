"""The Fleets and Devices pages as of a minute: what they were, beside what they are now."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.pages.parts.over_time import address_of
from devices import clock, connectivity
from devices.connectivity import outages
from devices.history import counts_as_of, rollups
from devices.listing import list_as_of
from devices.listing.filters import Filters, Tag
from devices.listing.list_as_of import ListAsOf
from devices.models import Device, FleetTally
from devices.operations import lifecycle
from devices.rules.vocabulary import Status
from fleets.models import Fleet, Organization
from tests.factories import make_device, make_fleet
from tests.pages import names_in, text_of

pytestmark = pytest.mark.django_db

MINUS = "\N{MINUS SIGN}"
LONG = {"name": "abcd", "-name": "dcba"}
SHORT = LONG | {"attention": "adcb"}


@pytest.fixture
def now() -> datetime:
    return clock.now().replace(second=30, microsecond=0) - timedelta(minutes=1)


@pytest.fixture
def kiosks(fleet: Fleet, now: datetime) -> list[Device]:
    """Made a day ago: `a` polled nine and a half hours ago and was lost, `b` came an hour ago; five hours ago
    `c` moved away, `d` was deleted and `e` was made."""
    day = {"created_at": now - timedelta(days=1), "activated_at": now - timedelta(days=1)}
    made = [make_device(fleet, name=f"kiosk-{name}", **day) for name in "abcd"]
    connectivity.record_heartbeats([made[0].pk], now - timedelta(hours=9, minutes=30))
    connectivity.settle(now - timedelta(hours=8))
    at = now - timedelta(hours=5)
    other = make_fleet(fleet.organization, name="gates", slug="gates")
    lifecycle.move(device=made[2], fleet=other, actor=None, at=at)
    lifecycle.delete(device=made[3], actor=None, at=at)
    made.append(make_device(fleet, name="kiosk-e", created_at=at, activated_at=at))
    connectivity.record_heartbeats([made[1].pk], now - timedelta(hours=1))
    connectivity.vpn_connected("vpn-1", [made[1].uuid], now - timedelta(hours=1))
    connectivity.settle(now)
    return made


def then(now: datetime, hours: float) -> str:
    return address_of(now - timedelta(hours=hours))


def rows_of(page: str) -> dict[str, str]:
    """The words of each row by the name of its device."""
    rows = re.findall(r'<tr role="row" id="device-.*?</tr>', page, re.DOTALL)
    words = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]
    return {line.split()[0]: line for line in words}


def test_a_list_shows_the_devices_with_the_status_and_links_of_then(
    reader: Client, kiosks: list[Device], now: datetime
) -> None:
    page = reader.get(f"/fleets/kiosks/?at={then(now, 9.2)}&sort=name").content.decode()
    rows = rows_of(page)
    assert list(rows) == ["kiosk-a", "kiosk-b", "kiosk-c", "kiosk-d"]
    assert "Online (Heartbeat Only)" in rows["kiosk-a"]
    assert "API on time" in rows["kiosk-a"]
    assert rows["kiosk-a"].endswith("Offline")
    assert "Post Provisioning for 14 h 47 min" in rows["kiosk-b"]
    assert rows["kiosk-b"].endswith("Online (VPN Only)")
    assert rows["kiosk-c"].endswith("The same in gates")
    assert rows["kiosk-d"].endswith("Deleted since")
    after = rows_of(reader.get(f"/fleets/kiosks/?at={then(now, 4)}&sort=name").content.decode())
    assert list(after) == ["kiosk-a", "kiosk-b", "kiosk-e"]
    assert list(rows_of(reader.get(f"/fleets/gates/?at={then(now, 4)}").content.decode())) == ["kiosk-c"]


def test_every_number_stands_beside_that_of_now(reader: Client, kiosks: list[Device], now: datetime) -> None:
    words = text_of(reader.get(f"/?at={then(now, 9.2)}"))
    assert "4 device s 1 needed attention" in words.replace("devices", "device s")
    assert f"1 Online (Heartbeat Only) {MINUS}1" in words
    assert "0 Offline +1" in words
    assert f"3 Post Provisioning {MINUS}1" in words
    assert "As of " in words
    facets = text_of(reader.get(f"/fleets/kiosks/?at={then(now, 9)}"))
    assert f"Post Provisioning 3 {MINUS}2" in facets  # another moved, another was deleted, one was made


def test_the_filters_work_on_what_was(reader: Client, kiosks: list[Device], now: datetime) -> None:
    for query, found in {
        "status=post-provisioning": ["kiosk-b", "kiosk-c", "kiosk-d"],
        "status=offline": [],
        "q=kiosk-b": ["kiosk-b"],
        "vpn=never": ["kiosk-a", "kiosk-b", "kiosk-c", "kiosk-d"],
        "vpn=connected": [],
        "heartbeat=recent": ["kiosk-a"],
        "heartbeat=unknown&fleet=kiosks": ["kiosk-b", "kiosk-c", "kiosk-d"],
        "fleet=gates": [],
    }.items():
        page = reader.get(f"/devices/?at={then(now, 9.2)}&sort=name&{query}")
        assert list(rows_of(page.content.decode())) == found, query
    late = reader.get(f"/devices/?at={then(now, 0.9)}&sort=name&vpn=connected")
    assert list(rows_of(late.content.decode())) == ["kiosk-b"]
    for query, said in {
        "tag=x": "Their present values are used",
        "silent=1h": "was ignored",
        "heartbeat=overdue": "on time",
    }.items():
        assert said in text_of(reader.get(f"/devices/?at={then(now, 9)}&{query}")), query


def test_pages_lead_on_in_both_orders_however_long_the_list(
    organization: Organization,
    fleet: Fleet,
    kiosks: list[Device],
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instant = counts_as_of.instant(clock.moment(now - timedelta(hours=9)), clock.moment(now))
    for few, orders in ((20_000, SHORT), (2, LONG)):
        monkeypatch.setattr(list_as_of, "SORTED", few)
        monkeypatch.setattr(list_as_of, "PORTIONS", (1, 2))
        for sort, names in orders.items():
            asked = ListAsOf([organization], Filters(fleets=(fleet,)), instant)
            first = asked.page(sort, 3)
            second = asked.page(sort, 3, after=first.next or "")
            back = asked.page(sort, 3, before=second.previous or "")
            assert [row.name[-1] for row in [*first.rows, *second.rows]] == list(names)
            assert [row.name for row in back.rows] == [row.name for row in first.rows]
    monkeypatch.setattr(list_as_of, "PORTIONS", (1,))
    asked = ListAsOf([organization], Filters(fleets=(fleet,), statuses=(Status.POST_PROVISIONING,)), instant)
    pages = [asked.page("name", 3)]
    while len(pages) < 3 and (following := pages[-1].next):
        pages.append(asked.page("name", 3, after=following))
    assert [[row.name[-1] for row in page.rows] for page in pages] == [[], ["b"], ["c", "d"]]
    assert [row.name[-1] for row in asked.page("name", 3, before=pages[2].next or "").rows] == list("bcd")
    tagged = ListAsOf([organization], Filters(tags=(Tag("none"),)), instant)
    assert (tagged.page("name", 3).rows, tagged.counts()) == ([], None)


def test_the_counts_come_from_the_nearest_tally_and_are_the_same_without(
    reader: Client, kiosks: list[Device], now: datetime
) -> None:
    def numbers(hours: float) -> list[str]:
        page = reader.get(f"/?at={then(now, hours)}").content.decode()
        counts = re.sub(r'<section class="panel over-time".*?</section>', "", page, flags=re.DOTALL)
        return re.findall(r"</svg><b>([^<]+)</b> ([^<]+)", counts)

    moments = (23, 9, 8.4, 5.5, 4.9, 0.5)
    without = [numbers(hours) for hours in moments]
    assert rollups.keep(now) > 20
    assert [numbers(hours) for hours in moments] == without
    FleetTally.objects.filter(at__gt=now - timedelta(hours=6)).delete()
    assert [numbers(hours) for hours in moments] == without


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("yesterday", "The time “yesterday” is not valid"),
        ("2026-13-45T00:00", "is not valid"),
        ("8999-12-31T23:59Z", "is in the future"),
        ("9999-12-31T23:59Z", "is not valid"),
        ("1999-12-31T23:59Z", "is too early. The history starts at"),
    ],
)
def test_what_is_no_minute_of_the_history_is_said_and_shows_the_present(
    reader: Client, kiosks: list[Device], at: str, said: str
) -> None:
    for path in ("/", "/devices/", "/fleets/kiosks/"):
        words = text_of(reader.get(f"{path}?at={at}"))
        assert said in words
        assert "The page shows the present." in words


def test_a_minute_without_a_zone_is_the_viewers_and_leads_to_an_address_for_all(
    reader: Client, kiosks: list[Device], now: datetime
) -> None:
    local = timezone.localtime(now - timedelta(hours=2))
    led_to = reader.get(f"/devices/?status=offline&at={local:%Y-%m-%dT%H:%M}")
    assert led_to.status_code == 302
    assert led_to["Location"] == f"/devices/?status=offline&at={quote(address_of(local))}"
    form = reader.get(led_to["Location"]).content.decode()
    assert f'type="datetime-local" name="at" value="{local:%Y-%m-%dT%H:%M}"' in form
    assert '<input type="hidden" name="status" value="offline">' in form
    assert 'href="?status=offline">Back to now</a>' in form


def test_it_neither_refreshes_nor_acts(reader: Client, kiosks: list[Device], now: datetime) -> None:
    for path in ("/", "/devices/", "/fleets/kiosks/"):
        page = reader.get(f"{path}?at={then(now, 2)}").content.decode().partition("<main")[2]
        for absent in ("hx-get", 'id="live', 'name="sel"', "data-tick", "devices.csv", 'id="bulk'):
            assert absent not in page, (path, absent)


def test_a_minute_in_which_we_did_not_listen_says_so(
    reader: Client, kiosks: list[Device], now: datetime
) -> None:
    outages.record_liveness(now - timedelta(minutes=40))
    outages.record_liveness(now - timedelta(minutes=20))
    assert "Lookout was down at that minute" in text_of(reader.get(f"/?at={then(now, 0.5)}"))
    assert "Lookout was down" not in text_of(reader.get(f"/?at={then(now, 1)}"))


def test_strangers_see_nothing_of_then(reader: Client, kiosks: list[Device], now: datetime) -> None:
    foreign = make_device(created_at=now - timedelta(days=1))
    assert reader.get(f"/fleets/{foreign.fleet.slug}/?at={then(now, 2)}").status_code == 404
    assert foreign.name not in text_of(reader.get(f"/devices/?at={then(now, 2)}"))
    assert foreign.fleet.name not in text_of(reader.get(f"/?at={then(now, 2)}"))


def test_query_counts_do_not_grow(reader: Client, fleet: Fleet, kiosks: list[Device], now: datetime) -> None:
    taken = []
    for more in (0, 20):
        for _ in range(more):
            make_device(fleet, created_at=now - timedelta(days=1))
            make_fleet(fleet.organization)
        for path in ("/", "/devices/", "/fleets/kiosks/"):
            with CaptureQueriesContext(connection) as queries:
                assert reader.get(f"{path}?at={then(now, 2)}").status_code == 200
            taken.append(len(queries))
    assert taken[:3] == taken[3:] == [17, 17, 18]
    assert names_in(reader.get(f"/devices/?at={then(now, 2)}&per_page=50"))
