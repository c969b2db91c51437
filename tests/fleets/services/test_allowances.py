"""The allowance on the Fleets page: what is used, what is not counted, and whose turn is next."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from dashboard.models import User
from devices import freezing
from devices.models import Device
from devices.operations import lifecycle
from fleets.models import Fleet, FleetType, Organization, Plan, Role
from tests.factories import make_fleet, make_member, make_organization
from tests.fleets.services.test_fleets import QUERIES
from tests.pages import html_of, names_in, refresh, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden", slug="halden", allowance=3)


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks")


@pytest.fixture
def user(organization: Organization) -> User:
    return make_member(organization)


@pytest.fixture
def reader(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def register(fleet: Fleet, *names: str) -> list[Device]:
    return [lifecycle.register(fleet=fleet, name=name) for name in names]


def side(client: Client, path: str = "/") -> str:
    """The words of the part that tells of allowances."""
    page = client.get(path)
    return text_of(page).split("Frozen Allowance")[1].split(" Over time ")[0].strip()


def test_it_says_how_much_is_used_and_left(reader: Client, fleet: Fleet) -> None:
    register(fleet, "one", "two")
    lifecycle.preregister(fleet=fleet, actor=None)
    assert side(reader) == (
        "2 of 3 devices , 1 left Not counted 1 Inactive 0 Frozen Next to freeze two Next to thaw none"
    )
    html = html_of(reader.get("/"))
    assert 'aria-label="2 of 3 devices used"><rect width="66.7%" height="100%"' in html
    assert '<a href="/settings/halden/plan/">Allowance</a>' in html


def test_full_it_says_what_that_means_and_who_is_next(reader: Client, fleet: Fleet) -> None:
    _, _, three, four, _ = register(fleet, "one", "two", "three", "four", "five")
    assert side(reader) == (
        "3 of 3 devices, full, new devices will be Frozen"
        " Not counted 0 Inactive 2 Frozen Next to freeze three Next to thaw four"
    )
    html = reader.get("/").content.decode().split("overview-side")[1]
    assert "alert-triangle-filled" in html.split("</section>")[0]
    for device in (three, four):
        assert f'<a href="/devices/{device.uuid}/"><bdi>{device.name}</bdi></a>' in html


def test_what_is_not_counted_links_to_exactly_those_devices(reader: Client, fleet: Fleet) -> None:
    register(fleet, "one", "two", "three", "four", "five")
    html = reader.get("/").content.decode().split("overview-side")[1].split("</section>")[0]
    (link,) = re.findall(r'href="([^"]+status=frozen)"', html)
    assert sorted(names_in(reader.get(unescape(link)))) == ["five", "four"]


def test_those_frozen_with_their_fleet_have_no_turn(reader: Client, fleet: Fleet) -> None:
    register(make_fleet(fleet.organization, type=FleetType.PAID), "vision")
    register(fleet, "one")
    assert "1 Frozen Next to freeze one Next to thaw none" in side(reader)


def test_with_open_invoices_that_is_what_it_says(reader: Client, fleet: Fleet) -> None:
    register(fleet, "one")
    freezing.change_plan(
        organization=fleet.organization, actor=None, plan=Plan.FREE, allowance=3, unpaid=True
    )
    words = side(reader)
    assert words.startswith("Invoices are unpaid, and every device is Frozen")
    assert "Next" not in words


def test_without_an_allowance_there_is_nothing_to_say(reader: Client, fleet: Fleet) -> None:
    register(fleet, "one")
    Organization.objects.update(allowance=None)
    assert "Allowance" not in text_of(reader.get("/"))


def test_of_several_organizations_the_fullest_come_first(reader: Client, user: User, fleet: Fleet) -> None:
    register(fleet, "one")
    for number, allowance in enumerate((1, None, 5, 9)):
        other = make_organization(f"Other {number}", slug=f"other-{number}", allowance=allowance)
        other.memberships.create(user=user, role=Role.OBSERVER)
        register(make_fleet(other), "theirs")
    assert side(reader) == (
        "s Other 0 1 of 1 device, full, new devices will be Frozen Halden 1 of 3 devices , 2 left"
        " Other 2 1 of 5 devices , 4 left All organizations"
    )
    assert side(reader, "/?org=other-3").startswith("1 of 9 devices , 8 left")


def test_in_the_simple_vocabulary_the_frozen_are_inactive(
    reader: Client, fleet: Fleet, settings: Settings
) -> None:
    settings.SIMPLE_STATUSES = True
    register(fleet, "one", "two", "three", "four")
    words = text_of(reader.get("/"))
    assert "Allowance 3 of 3 devices, full, new devices will be Inactive Not counted 1 Inactive Next" in words


def test_it_follows_by_itself(reader: Client, fleet: Fleet) -> None:
    devices = register(fleet, "one", "two", "three", "four")
    page = reader.get("/")
    assert refresh(reader, "/", page["HX-PTag"]).status_code == 304
    lifecycle.delete(device=devices[0], actor=None)
    assert "Next to freeze four Next to thaw none" in text_of(refresh(reader, "/", page["HX-PTag"]))


def test_whose_turn_is_next_takes_one_query_more(
    reader: Client, fleet: Fleet, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for more in (1, 29):
        register(fleet, *("kiosk" for _ in range(more)))
        with django_assert_num_queries(QUERIES + 1):
            reader.get("/")
