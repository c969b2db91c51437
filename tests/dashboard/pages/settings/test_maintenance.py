"""Settings, Maintenance and Mutes: what Operators plan, what is refused, what lasts and comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from devices import clock
from devices.alerts import mutes
from devices.models import MaintenanceWindow, Mute
from fleets.models import Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

QUERIES = 7  # session, person, organizations, clock, windows, fleets of scopes, fleets at the side
MUTE_QUERIES = 6  # session, person, organizations, clock, mutes, fleets at the side


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def mia(organization: Organization) -> User:
    return make_member(organization, Role.OPERATOR, "mia")


@pytest.fixture
def operator(client: Client, mia: User) -> Client:
    client.force_login(mia)
    return client


@pytest.fixture
def address(organization: Organization) -> str:
    return f"/settings/{organization.slug}/maintenance/"


def said(**values: Any) -> dict[str, Any]:
    usual = {"title": "Rewiring", "starts": "2036-03-02T22:00", "ends": "2036-03-03T02:00", "zone": "UTC"}
    return usual | values


@pytest.mark.parametrize(
    ("recurs", "rule"),
    [
        ({}, ""),
        ({"recurs": "DAILY"}, "FREQ=DAILY;INTERVAL=1"),
        ({"recurs": "WEEKLY", "interval": "2"}, "FREQ=WEEKLY;INTERVAL=2"),
        ({"recurs": "MONTHLY"}, "FREQ=MONTHLY;INTERVAL=1;BYDAY=1SU"),
        ({"recurs": "last"}, "FREQ=MONTHLY;INTERVAL=1;BYDAY=-1SU"),
        ({"recurs": "DAILY", "until": "2036-04-01"}, "FREQ=DAILY;INTERVAL=1;UNTIL=20360401T235959"),
    ],
)
def test_a_window_is_planned_listed_and_shown_as_it_was_entered(
    operator: Client, organization: Organization, address: str, recurs: dict[str, str], rule: str
) -> None:
    make_fleet(organization, name="Sheds", slug="sheds")
    sent = said(**recurs, **{"scope-fleet": ["sheds"]})
    text = text_of(operator.post(f"{address}new/", sent, follow=True))
    assert "Rewiring is planned." in text
    assert "Fleet: Sheds" in text
    window = MaintenanceWindow.objects.get()
    assert window.recurrence == rule
    page = operator.get(f"{address}{window.uuid}/")
    shown = {field.name: field.value() for field in page.context["form"].main}
    assert {name: str(shown[name]) for name in recurs} == recurs
    assert "Rewiring is saved." in text_of(
        operator.post(f"{address}{window.uuid}/", sent | {"seen": page.context["seen"]}, follow=True)
    )
    window.refresh_from_db()
    assert window.recurrence == rule


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"title": ""}, "This field is required."),
        ({"starts": "soon"}, "Enter a date and a time"),
        ({"ends": "2036-03-02T21:00"}, "Let it end after it starts."),
        ({"ends": "2036-05-02T21:00"}, "Let it last at most 30 days."),
        ({"zone": "Europe/Nowhere"}, "Europe/Nowhere is not one of the available choices."),
        ({"scope-no_tag": "=x"}, "“=x” is not a tag."),
    ],
)
def test_what_is_refused_stays_in_the_form_and_is_named(
    operator: Client, address: str, wrong: dict[str, str], told: str
) -> None:
    assert told in text_of(operator.post(f"{address}new/", said(**wrong)))
    assert not MaintenanceWindow.objects.exists()


def test_a_change_over_anothers_is_409(operator: Client, address: str) -> None:
    operator.post(f"{address}new/", said())
    own = f"{address}{MaintenanceWindow.objects.get().uuid}/"
    seen = operator.get(own).context["seen"]
    operator.post(own, said(title="Theirs", seen=seen))
    late = operator.post(own, said(title="Mine", seen=seen))
    assert late.status_code == 409
    assert "Others changed the window “Theirs” meanwhile." in text_of(late)
    operator.post(own, said(title="Mine", seen=late.context["seen"]))
    assert MaintenanceWindow.objects.get().title == "Mine"


def test_a_window_that_lasts_is_ended_and_one_that_recurs_is_cancelled(
    operator: Client, address: str
) -> None:
    now = clock.now()
    times = {"starts": now - timedelta(hours=1), "ends": now + timedelta(hours=1)}
    walls = {name: f"{time:%Y-%m-%dT%H:%M}" for name, time in times.items()}
    operator.post(f"{address}new/", said(**walls, recurs="DAILY"))
    own = f"{address}{MaintenanceWindow.objects.get().uuid}/"
    page = operator.get(address)
    assert (len(page.context["running"]), len(page.context["coming"])) == (1, 5)
    operator.post(f"{own}end/")
    page = operator.get(address)
    assert (len(page.context["running"]), len(page.context["coming"])) == (0, 5)
    assert "Rewiring is cancelled." in text_of(operator.post(f"{own}cancel/", follow=True))
    assert "No maintenance is planned" in text_of(operator.get(address))
    assert operator.get(own).status_code == 404


def test_mutes_are_listed_and_ended(operator: Client, organization: Organization, mia: User) -> None:
    path, at = f"/settings/{organization.slug}/mutes/", clock.now()
    assert "Nothing is muted" in text_of(operator.get(path))
    until = at + timedelta(hours=2)
    device = make_device(make_fleet(organization), name="pump-1")
    other = make_member(organization, Role.OPERATOR)
    more: dict[str, Any] = {"what": device, "organization": organization, "until": until, "at": at}
    mutes.mute(actor=mia, for_all=True, note="Spare part ordered", **more)
    theirs = mutes.mute(actor=other, for_all=False, **more)
    text = text_of(operator.get(path))
    assert "Device pump-1 For everybody, by mia, until" in text
    assert text.count("End this mute") == 1
    assert operator.post(f"{path}{theirs.uuid}/end/").status_code == 404
    own = Mute.objects.get(person=None)
    assert "The mute has ended." in text_of(operator.post(f"{path}{own.uuid}/end/", follow=True))
    assert "Nothing is muted" in text_of(operator.get(path))


def test_query_count(
    operator: Client,
    organization: Organization,
    mia: User,
    address: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fleet = make_fleet(organization, slug="sheds")
    at = clock.now()
    more: dict[str, Any] = {"organization": organization, "until": at + timedelta(hours=2), "at": at}
    for rows in (1, 29):
        for _ in range(rows):
            operator.post(f"{address}new/", said(**{"scope-fleet": ["sheds"]}))
            mutes.mute(what=make_device(fleet), actor=mia, for_all=True, note="x", **more)
        with django_assert_num_queries(QUERIES):
            operator.get(address)
        with django_assert_num_queries(MUTE_QUERIES):
            operator.get(f"/settings/{organization.slug}/mutes/")
