"""Whether an organization speaks of a plan, and who may change it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from fleets.models import AuditEntry, Fleet, FleetType, Organization, Role
from fleets.services.fleets import settings_of, version
from tests.dashboard.pages.settings.plan import CHANGE, PATH, preview, register, wanted
from tests.factories import make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, counts, whose turn is next, the reasons of the frozen; clock and
# fleets of the side
QUERIES = 9
# session, person, organizations; clock and fleets of the side; paid fleets, the border, counts, names
PREVIEW = 9


@pytest.fixture
def organization() -> Organization:
    return make_organization(slug="halden", name="Halden", allowance=3, shows_plan=True)


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks")


@pytest.fixture
def owner(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.OWNER))
    return client


# On and off

SWITCH = f"{PATH}shown/"


@pytest.fixture
def free(owner: Client, organization: Organization) -> Client:
    """The Owner of an organization that never spoke of a plan."""
    Organization.objects.update(allowance=None, shows_plan=False)
    return owner


def test_without_a_plan_no_page_speaks_of_it(free: Client, fleet: Fleet) -> None:
    (device,) = register(fleet, "one")
    assert free.get(PATH).status_code == free.get(CHANGE).status_code == 404
    assert free.post(CHANGE, wanted(allowance=1)).status_code == 404
    make_fleet(fleet.organization, slug="other")
    for path in (
        "/",
        f"/devices/{device.uuid}/",
        f"/devices/{device.uuid}/move/?to=other",
        "/fleets/kiosks/settings/",
        "/fleets/kiosks/preregister/",
        "/settings/halden/fleets/new/",
        "/settings/halden/members/invite/",
        "/settings/halden/members/",
    ):
        words = text_of(free.get(path)).lower()
        assert not [word for word in ("allowance", "paid", "plan", "locked") if word in words], path
    assert f'href="{PATH}"' not in free.get("/settings/halden/").content.decode()


def test_its_owner_turns_it_on_and_off(free: Client, fleet: Fleet) -> None:
    assert "Turn on" in text_of(free.get("/settings/halden/"))
    answer = free.post(SWITCH, {"shown": "on"}, follow=True)
    assert answer.redirect_chain == [("/settings/halden/", 302)]
    assert "Plan and allowance are on." in text_of(answer)
    assert "2 devices" not in text_of(free.get(PATH))
    assert "Requires the paid plan" in text_of(free.get("/fleets/kiosks/settings/"))
    assert "Turn off" in text_of(free.get("/settings/halden/"))
    assert "Plan and allowance are off." in text_of(free.post(SWITCH, follow=True))
    assert free.get(PATH).status_code == 404
    entries = AuditEntry.objects.filter(action="plan-shown").order_by("pk")
    assert [entry.after for entry in entries] == [{"shown": True}, {"shown": False}]


@pytest.mark.parametrize("of", [{"allowance": 5}, {"unpaid": True}, {"plan": "paid"}, {}])
def test_what_is_set_is_not_hidden(free: Client, fleet: Fleet, of: dict[str, Any]) -> None:
    Organization.objects.update(shows_plan=not of, **of)
    if not of:
        Fleet.objects.update(type=FleetType.PAID)
    assert "Nothing was changed: plan and allowance are turned off once" in text_of(
        free.post(SWITCH, follow=True)
    )
    assert free.get(PATH).status_code == 200


def test_a_form_without_types_keeps_the_type(free: Client, fleet: Fleet) -> None:
    form = {"name": "kiosks", "type": "paid", "every": "", "unit": "min", "vpn_enabled": "off"}
    free.post("/fleets/kiosks/settings/", form | {"seen": version(settings_of(fleet))})
    fleet.refresh_from_db()
    assert (fleet.type, fleet.vpn_enabled) == (FleetType.STANDARD, False)
    Fleet.objects.update(type=FleetType.PAID)
    assert "Requires the paid plan" in text_of(free.get("/fleets/kiosks/settings/"))


# Who may


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR, Role.ADMINISTRATOR])
def test_only_owners_change_it(client: Client, organization: Organization, role: Role) -> None:
    client.force_login(make_member(organization, role))
    assert client.get(CHANGE).status_code == 403
    assert client.post(CHANGE, wanted(allowance=1)).status_code == 403
    assert client.post(SWITCH, {"shown": "on"}).status_code == 403
    assert "Turn off" not in text_of(client.get("/settings/halden/"))
    organization.refresh_from_db()
    assert organization.allowance == 3


def test_strangers_get_404(client: Client, organization: Organization) -> None:
    client.force_login(make_member(make_organization(), Role.OWNER))
    for path in (PATH, CHANGE):
        assert client.get(path).status_code == 404
    assert client.post(CHANGE, wanted(allowance=1)).status_code == 404


def test_query_counts(owner: Client, fleet: Fleet, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for more in (1, 29):
        register(fleet, *("kiosk" for _ in range(more)))
        with django_assert_num_queries(QUERIES):
            owner.get(PATH)
        with django_assert_num_queries(PREVIEW):
            preview(owner, allowance=1)
