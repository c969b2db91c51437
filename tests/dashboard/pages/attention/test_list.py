"""The Attention page."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from dashboard.models import User
from devices import clock, connectivity
from devices.models import Device
from fleets.models import Fleet, Organization
from tests.dashboard.pages.attention.lost import lose
from tests.factories import make_device, make_fleet, make_organization
from tests.pages import html_of, make_every_status, names_in, refresh, text_of, uuids_in
from tests.still import stand_still

pytestmark = pytest.mark.django_db

# session, person, organizations, clock; moved, flapping, counts, stalled; in trouble; of the lines: the
# devices they name, why, incidents; fleets, VPN servers, windows
QUERIES = 15
# the same, and whose links change often; of groups: how large their fleets are, what these are called and
# which of them groups share, how many devices share a thing
GROUP_QUERIES = QUERIES + 6


def test_what_needs_attention_is_there_worst_first_and_nothing_else(reader: Client, fleet: Fleet) -> None:
    made = make_every_status(fleet)
    stalled = {"update_progress": 38, "progress_changed_at": clock.now() - timedelta(hours=1)}
    Device.objects.filter(pk=made["updating"].pk).update(**stalled)
    page = reader.get("/attention/")
    assert names_in(page) == ["a-offline", "a-updating"]
    words = text_of(page)
    assert "Just now: 2" in words
    assert {"a-heartbeat-only", "a-vpn-only"} <= {*words.split()}
    assert "4 devices need attention" in words
    assert "No progress for 1 h" in words.replace("\u00a0", " ")


def test_the_simple_vocabulary_says_in_words_what_needs_attention(
    reader: Client, fleet: Fleet, settings: Settings
) -> None:
    settings.SIMPLE_STATUSES = True
    made = make_every_status(fleet)
    stalled = {"update_progress": 38, "progress_changed_at": clock.now() - timedelta(hours=1)}
    Device.objects.filter(pk=made["updating"].pk).update(**stalled)
    words = text_of(reader.get("/attention/"))
    assert "4 devices need attention: 1 Offline, 2 with one link, 1 stalled" in words


def test_devices_lost_together_are_one_line_that_opens_them(reader: Client, fleet: Fleet) -> None:
    lost = lose(fleet, 12, public_address="203.0.113.7")
    make_device(fleet, public_address="203.0.113.7")
    for _ in range(20):
        make_device(fleet)
    html = html_of(reader.get("/attention/"))
    words = text_of(reader.get("/attention/")).replace("\u00a0", " ")
    said = "12 of 13 devices at 203.0.113.7 lost the VPN within 1 s and kept the heartbeat"
    assert said in words
    assert "12 devices need attention" in words
    address = re.search(r'href="([^"]*)">All 12 in the list of devices', html)
    assert address
    listed = names_in(reader.get(unescape(address.group(1))))
    assert sorted(listed) == sorted(device.name for device in lost)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "in kiosks"),
        ({"tags": {"site": "harbour"}}, "tagged site = harbour"),
        ({"release": "2.0"}, "with release 2.0 in kiosks"),
    ],
)
def test_the_link_of_a_line_leads_to_exactly_its_devices(
    reader: Client, fleet: Fleet, fields: dict[str, object], place: str
) -> None:
    lost = lose(fleet, 6, **fields)
    for _ in range(20):
        make_device(fleet)
    html = html_of(reader.get("/attention/"))
    assert place in html
    address = re.search(r'href="([^"]*)">Show in the list of devices|href="([^"]*)">All', html)
    assert address
    listed = names_in(reader.get(unescape(address.group(1) or address.group(2))))
    assert sorted(listed) == sorted(device.name for device in lost)


def test_nothing_to_do_is_said(reader: Client, fleet: Fleet) -> None:
    make_device(fleet)
    assert "Nothing needs attention" in text_of(reader.get("/attention/"))


def test_a_deadline_that_nobody_recorded_counts_like_any_other(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_still(monkeypatch, clock.now())
    device = make_device(fleet, name="kiosk-1")
    connectivity.record_heartbeats([device.pk], clock.now() - timedelta(seconds=1365 + 60))
    before = reader.get("/attention/")
    assert "kiosk-1 is Offline" in text_of(before)
    connectivity.settle()
    after = reader.get("/attention/")
    assert text_of(after) == text_of(before)
    assert after["HX-PTag"] == before["HX-PTag"]


def test_only_my_devices_are_there(reader: Client, user: User, fleet: Fleet) -> None:
    foreign = make_fleet(slug="foreign")
    lose(foreign, 5, public_address="203.0.113.7")
    mine = lose(fleet, 1, public_address="203.0.113.7")
    other = make_organization()
    other.memberships.create(user=user)
    lose(make_fleet(other), 1, name="other")
    assert sorted(names_in(reader.get("/attention/"))) == sorted([mine[0].name, "other"])
    assert names_in(reader.get(f"/attention/?org={other.slug}")) == ["other"]
    assert reader.get(f"/attention/?org={foreign.organization.slug}").status_code == 404
    assert reader.get("/attention/?fleet=foreign").status_code == 404


def test_it_narrows_to_one_fleet(reader: Client, organization: Organization, fleet: Fleet) -> None:
    mine = lose(fleet, 1)
    lose(make_fleet(organization), 1)
    assert names_in(reader.get("/attention/?fleet=kiosks")) == [mine[0].name]
    assert "Fleet: kiosks" in text_of(reader.get("/attention/?fleet=kiosks"))


def test_the_fleets_page_leads_here(reader: Client, fleet: Fleet) -> None:
    lose(fleet, 2)
    html = html_of(reader.get("/"))
    assert 'href="/attention/"><svg' in html
    assert 'href="/attention/?fleet=kiosks"' in html


def test_a_refresh_is_the_live_part_alone_and_unchanged_is_304(reader: Client, fleet: Fleet) -> None:
    lose(fleet, 2)
    page = reader.get("/attention/")
    assert refresh(reader, "/attention/", page["HX-PTag"], uuids_in(page)).status_code == 304
    lose(fleet, 1)
    fresh = refresh(reader, "/attention/", page["HX-PTag"], uuids_in(page))
    assert fresh.status_code == 200
    assert b"<html" not in fresh.content


def test_a_refresh_keeps_the_order_and_offers_to_sort_again(reader: Client, fleet: Fleet) -> None:
    first = lose(fleet, 1)
    page = reader.get("/attention/")
    second = lose(fleet, 1)
    fresh = refresh(reader, "/attention/", page["HX-PTag"], uuids_in(page))
    assert names_in(fresh) == [first[0].name]
    assert "Sort again" in text_of(fresh)
    assert "2 devices need attention" in text_of(fresh)
    assert sorted(names_in(reader.get("/attention/"))) == sorted([first[0].name, second[0].name])
    assert "Sort again" not in text_of(reader.get("/attention/"))


def test_pages_and_places_that_are_none(reader: Client, fleet: Fleet) -> None:
    at = clock.now() - timedelta(days=1)
    for number in range(30):
        moment = at + timedelta(minutes=10 * number)
        make_device(fleet, vpn_changed_at=moment, recorded_status_at=moment)
    first = reader.get("/attention/")
    assert len(names_in(first)) == 25
    address = re.search(r'rel="next" href="([^"]+)"', first.content.decode())
    assert address
    assert len(names_in(reader.get(f"/attention/{unescape(address.group(1))}"))) == 5
    wrong = reader.get("/attention/?after=nonsense")
    assert "The address names an unknown place in this list" in text_of(wrong)
    assert names_in(wrong) == names_in(first)


def test_the_anonymous_are_led_to_sign_in(client: Client) -> None:
    assert client.get("/attention/")["Location"] == "/sign-in/?next=%2Fattention%2F"
    assert refresh(client, "/attention/")["HX-Redirect"] == "/sign-in/?next=%2Fattention%2F"


def test_query_counts_do_not_grow(
    reader: Client, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    at = clock.now() - timedelta(days=1)
    fleets = [make_fleet(organization) for _ in range(5)]
    for number in range(30):
        moment = at + timedelta(minutes=10 * number)
        make_device(fleets[number % 5], vpn_changed_at=moment, recorded_status_at=moment)
        if number in (0, 29):
            with django_assert_num_queries(QUERIES):
                page = reader.get("/attention/")
            with django_assert_num_queries(QUERIES):
                assert refresh(reader, "/attention/", page["HX-PTag"], uuids_in(page)).status_code == 304
    Device.objects.all().delete()
    for some in fleets[:1], fleets[1:]:
        for fleet in some:
            lose(fleet, 5)
        with django_assert_num_queries(GROUP_QUERIES):
            reader.get("/attention/")


@pytest.mark.parametrize("path", ["/", "/attention/"])
def test_the_icon_of_the_tab_shows_trouble(reader: Client, fleet: Fleet, path: str) -> None:
    def icon() -> tuple[str, str]:
        html = reader.get(path).content.decode()
        shown = re.search(r'rel="icon" id="icon" href="[^"]*/(favicon[a-z-]*)[.]', html)
        told = re.search(r'data-trouble="(yes|no)"', html)
        assert shown
        assert told
        return shown.group(1), told.group(1)

    make_device(fleet)
    assert icon() == ("favicon", "no")
    lose(fleet, 1)
    assert icon() == ("favicon-trouble", "yes")
