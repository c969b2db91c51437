"""The Fleets page."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from devices import clock, connectivity
from devices.models import Device
from devices.rules.vocabulary import Status
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import make_every_status, names_in, refresh, text_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response
from tests.fleets.services.fleets_page import counts_in, row_of

pytestmark = pytest.mark.django_db

# session, person, clock, organizations; those the clock has moved, and the stalled; the fleets with how they
# stand, the last change in each and their devices; counts, fleets; the latest changes, their devices and
# fleets; the picture over time, and the small ones
QUERIES = 17


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def user(organization: Organization) -> User:
    return make_member(organization)


@pytest.fixture
def reader(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks", device_type="Raspberry Pi 4")


def test_the_numbers_sum_up_and_link_to_exactly_those_devices(
    reader: Client, fleet: Fleet, organization: Organization
) -> None:
    make_every_status(fleet)
    make_device(fleet)
    make_every_status(make_fleet(organization))
    html = reader.get("/").content.decode()
    overview = counts_in(html.split("</section>")[0])
    assert list(overview) == Status.values
    assert sum(overview.values()) == 19
    row = row_of(html, "kiosks")
    counts = counts_in(row)
    assert counts == dict.fromkeys(Status.values, 1) | {"post-provisioning": 2}
    assert "<b>10</b>" in row
    for slug, number in counts.items():
        address = re.search(rf'href="([^"]*status={slug})"', row)
        assert address
        assert len(names_in(reader.get(address.group(1)))) == number


def test_only_statuses_that_occur_are_in_a_row(reader: Client, fleet: Fleet) -> None:
    make_device(fleet)
    html = reader.get("/").content.decode()
    assert counts_in(row_of(html, "kiosks")) == {"post-provisioning": 1}
    assert counts_in(html.split("</section>")[0]) == dict.fromkeys(Status.values, 0) | {
        "post-provisioning": 1
    }


def test_attention_counts_the_lost_the_partial_and_the_stalled(reader: Client, fleet: Fleet) -> None:
    made = make_every_status(fleet)
    words = text_of(reader.get("/"))
    assert "3 need attention" in words
    Device.objects.filter(pk=made["updating"].pk).update(progress_changed_at=clock.now() - timedelta(hours=1))
    assert "4 need attention" in text_of(reader.get("/"))


def test_last_and_latest_changes(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, name="kiosk-1")
    make_device(fleet, name="kiosk-2").delete()
    connectivity.record_heartbeats([device.pk])
    words = text_of(reader.get("/"))
    assert "kiosk-1 is Online (Heartbeat Only)" in words
    assert "kiosks · it contacted the API" in words
    assert "kiosk-2 was deleted" in words


def without_clock(text: str) -> str:
    """Without the time at which the page was made."""
    return re.sub(r"\d\d:\d\d:\d\d UTC", "", text)


def test_a_deadline_that_nobody_recorded_is_a_change_like_any_other(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, name="kiosk-1")
    polled = clock.now() - timedelta(seconds=1365 + 60)
    connectivity.record_heartbeats([device.pk], polled)
    before = reader.get("/")
    assert "kiosk-1 is Offline 1 min ago" in text_of(before)
    connectivity.settle()
    after = reader.get("/")
    assert without_clock(text_of(after)) == without_clock(text_of(before))
    assert after["HX-PTag"] == before["HX-PTag"]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("attention", ["b-two", "a-one", "c-none"]),
        ("-attention", ["a-one", "c-none", "b-two"]),
        ("name", ["a-one", "b-two", "c-none"]),
        ("-name", ["c-none", "b-two", "a-one"]),
        ("devices", ["a-one", "b-two", "c-none"]),
        ("-devices", ["c-none", "b-two", "a-one"]),
        ("change", ["b-two", "a-one", "c-none"]),
        ("-change", ["c-none", "a-one", "b-two"]),
    ],
)
def test_every_column_sorts(reader: Client, organization: Organization, sort: str, names: list[str]) -> None:
    one, two = (make_fleet(organization, name=name) for name in ("a-one", "b-two"))
    make_fleet(organization, name="c-none")
    for _ in range(3):
        make_device(one)
    troubled = [make_device(two) for _ in range(2)]
    connectivity.record_heartbeats([device.pk for device in troubled])
    assert names_in(reader.get(f"/?sort={sort}")) == names


def test_search_finds_by_name_and_types(reader: Client, fleet: Fleet, organization: Organization) -> None:
    make_fleet(organization, name="trams", device_type="Jetson", type="paid")
    assert names_in(reader.get("/?q=kio")) == ["kiosks"]
    assert names_in(reader.get("/?q=paid")) == ["trams"]
    assert names_in(reader.get("/?q=JETSON")) == ["trams"]
    page = text_of(reader.get("/?q=zebra"))
    assert "No fleets match “zebra”" in page
    assert "Without this filter there are 2" in page


def test_a_row_says_both_types(reader: Client, fleet: Fleet, organization: Organization) -> None:
    make_fleet(organization, slug="trams", type="paid")
    html = reader.get("/").content.decode()
    assert "<bdi>Raspberry Pi 4</bdi></span>" in row_of(html, "kiosks")
    assert "<bdi>No device type</bdi> · Paid" in row_of(html, "trams")


def test_administrators_find_where_fleets_are_made(client: Client, organization: Organization) -> None:
    def offered() -> list[str]:
        return re.findall(r'href="/settings/([^/]+)/fleets/new/"', client.get("/").content.decode())

    client.force_login(make_member(organization, Role.OPERATOR))
    assert offered() == []
    admin = make_member(organization, Role.ADMINISTRATOR)
    client.force_login(admin)
    assert offered() == [organization.slug] * 2  # above the list, and where it is empty
    make_fleet(organization)
    assert offered() == [organization.slug]
    other = make_organization()
    other.memberships.create(user=admin, role=Role.OWNER)
    make_organization().memberships.create(user=admin, role=Role.OBSERVER)
    assert sorted(offered()) == sorted([organization.slug, other.slug])


@pytest.mark.parametrize("sort", ["name", "-name", "attention", "-attention", "-devices", "change"])
def test_pages_lead_through_all_fleets_and_back(
    reader: Client, organization: Organization, sort: str
) -> None:
    for number in range(53):
        make_fleet(organization, name=f"f-{number:03}")
    for number in (7, 30, 31):
        make_device(Fleet.objects.get(name=f"f-{number:03}"))
    pages, address = [], f"/?sort={sort}"
    while address:
        page = reader.get(address)
        pages.append(names_in(page))
        address = link_to("next", page)
    assert [len(page) for page in pages] == [25, 25, 3]
    assert sorted(name for page in pages for name in page) == [f"f-{number:03}" for number in range(53)]
    if "name" in sort:
        names = [name for page in pages for name in page]
        assert names == sorted(names, reverse=sort.startswith("-"))
    assert names_in(reader.get(link_to("prev", page))) == pages[1]
    assert link_to("prev", reader.get(f"/?sort={sort}")) == ""


def link_to(which: str, page: Response) -> str:
    """The address of a neighbouring page; none where there is no such page."""
    found = re.search(rf'rel="{which}" href="([^"]+)"', page.content.decode())
    return "/" + unescape(found.group(1)) if found else ""


def test_a_place_that_is_none_or_gone_shows_the_nearest_page(
    reader: Client, organization: Organization
) -> None:
    for number in range(28):
        make_fleet(organization, name=f"f-{number:02}")
    first, cursor = reader.get("/?sort=name"), link_to("next", reader.get("/?sort=name"))
    wrong = reader.get("/?sort=name&after=nonsense")
    assert names_in(wrong) == names_in(first)
    assert "The address names an unknown place in this list" in text_of(wrong)
    Fleet.objects.filter(name__gte="f-25").delete()
    last = reader.get(cursor)
    assert names_in(last) == [f"f-{number:02}" for number in range(25)]
    assert "This is its last page" in text_of(last)


def test_an_unknown_order_falls_back_with_a_notice(reader: Client, fleet: Fleet) -> None:
    page = reader.get("/?sort=luck")
    assert names_in(page) == ["kiosks"]
    assert "There is no sort order “luck”" in text_of(page)


def test_only_my_organizations_are_there(reader: Client, user: User, fleet: Fleet) -> None:
    foreign = make_fleet(name="foreign")
    make_device(foreign)
    other = make_organization()
    other.memberships.create(user=user)
    make_fleet(other, name="mine-too")
    assert sorted(names_in(reader.get("/"))) == ["kiosks", "mine-too"]
    assert names_in(reader.get(f"/?org={other.slug}")) == ["mine-too"]
    assert "foreign" not in text_of(reader.get("/"))
    assert reader.get(f"/?org={foreign.organization.slug}").status_code == 404


def test_the_anonymous_are_led_to_sign_in(client: Client) -> None:
    assert client.get("/")["Location"] == "/sign-in/?next=%2F"
    assert refresh(client, "/")["HX-Redirect"] == "/sign-in/?next=%2F"


def test_query_counts_do_not_grow(
    reader: Client, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_device(make_fleet(organization))
    for fleets, rows in ((1, 1), (5, 30)):
        made = [make_fleet(organization) for _ in range(fleets - 1)]
        for number in range(rows - 1):
            make_device(made[number % 4])
        with django_assert_num_queries(QUERIES):
            page = reader.get("/")
        with django_assert_num_queries(QUERIES):
            again = refresh(reader, "/", page["HX-PTag"])
        assert again.status_code == 304


def test_a_refresh_is_the_live_part_alone(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    page = reader.get("/")
    assert refresh(reader, "/", page["HX-PTag"]).status_code == 304
    connectivity.record_heartbeats([device.pk])
    fresh = refresh(reader, "/", page["HX-PTag"])
    assert fresh.status_code == 200
    assert b"<html" not in fresh.content
    assert names_in(fresh) == ["kiosks"]


def test_a_refresh_keeps_the_order_and_offers_to_sort_again(
    reader: Client, fleet: Fleet, organization: Organization
) -> None:
    device = make_device(make_fleet(organization, name="trams", slug="trams"))
    assert names_in(reader.get("/")) == ["kiosks", "trams"]
    assert "Sort again" not in text_of(refresh(reader, "/", shown="kiosks,trams"))
    connectivity.record_heartbeats([device.pk])
    fresh = refresh(reader, "/", shown="kiosks,trams")
    assert names_in(fresh) == ["kiosks", "trams"]
    assert "Sort again" in text_of(fresh)
    assert names_in(reader.get("/")) == ["trams", "kiosks"]
