"""The page that makes a fleet."""

from __future__ import annotations

import pytest
from django.test import Client

from fleets.models import Fleet, Organization, Role
from tests.factories import make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
FORM = {"name": "Station kiosks", "type": "standard", "every": "", "unit": "min", "vpn_enabled": "unset"}


@pytest.fixture
def organization() -> Organization:
    return make_organization(slug="halden", name="Halden", shows_plan=True)


@pytest.fixture
def admin(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    return client


PATH = "/settings/halden/fleets/new/"


def test_a_name_is_enough_and_the_keys_come_next(admin: Client, organization: Organization) -> None:
    assert "New fleet" in text_of(admin.get(PATH))
    answer = admin.post(PATH, FORM, follow=True)
    assert answer.redirect_chain == [("/fleets/station-kiosks/keys/", 302)]
    assert "Station kiosks was created" in text_of(answer)
    fleet = Fleet.objects.get()
    assert (fleet.organization, fleet.slug, fleet.poll_interval) == (organization, "station-kiosks", None)
    assert (fleet.type, fleet.device_type, fleet.vpn_enabled) == ("standard", "", None)


def test_everything_may_be_said(admin: Client) -> None:
    said = {
        "slug": "own",
        "device_type": "NUC",
        "type": "paid",
        "every": "2",
        "unit": "h",
        "vpn_enabled": "off",
    }
    admin.post(PATH, FORM | said)
    fleet = Fleet.objects.get()
    assert (fleet.slug, fleet.device_type, fleet.type) == ("own", "NUC", "paid")
    assert (fleet.poll_interval, fleet.vpn_enabled) == (7200, False)


def test_an_address_that_is_taken_elsewhere_is_refused_and_the_form_kept(admin: Client) -> None:
    make_fleet(slug="station-kiosks")
    answer = admin.post(PATH, FORM)
    words = text_of(answer)
    assert "Another fleet on this site has the address “station-kiosks”. Choose another one." in words
    assert "Nothing was saved" in words
    assert 'value="Station kiosks"' in answer.content.decode()
    assert Fleet.objects.count() == 1


@pytest.mark.parametrize(
    ("said", "field", "fault"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"name": "電車"}, "slug", "No address can be derived from this name. Enter one."),
        ({"slug": "no spaces"}, "slug", "The address can only have letters a to z, digits, - and _."),
        ({"type": "gold"}, "type", "not one of the available choices"),
        ({"every": "9", "unit": "s"}, "every", "The poll interval must be from 10 s to 24 h, not 9 s."),
        ({"every": "25", "unit": "h"}, "every", "The poll interval must be from 10 s to 24 h, not 25 h."),
        ({"every": "99999999999"}, "every", "The poll interval must be 24 h or less."),
        ({"every": "soon"}, "every", "The poll interval must be a whole number."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    admin: Client, said: dict[str, str], field: str, fault: str
) -> None:
    answer = admin.post(PATH, FORM | said)
    assert answer.status_code == 200
    assert fault in answer.content.decode().split(f'id="id_{field}_error"')[1].split("</div>")[0]
    assert not Fleet.objects.exists()


def test_the_plan_and_long_intervals_are_spoken_of_before_saving(
    admin: Client, organization: Organization
) -> None:
    words = text_of(admin.get(PATH))
    assert "Halden has the free plan, so all devices of the fleet would freeze" in words
    assert "22 min 45 s if it polls every 15 min" in words
    assert "36 h 15 s if it polls every 24 h" in words
    Organization.objects.update(plan="paid")
    assert "would freeze" not in text_of(admin.get(PATH))


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR])
def test_other_members_may_not(client: Client, organization: Organization, role: Role) -> None:
    client.force_login(make_member(organization, role))
    assert client.get(PATH).status_code == client.post(PATH, FORM).status_code == 403
    assert not Fleet.objects.exists()


def test_strangers_see_nothing(client: Client, organization: Organization) -> None:
    assert client.get(PATH)["Location"] == "/sign-in/?next=%2Fsettings%2Fhalden%2Ffleets%2Fnew%2F"
    client.force_login(make_member(make_organization(), Role.OWNER))
    assert client.get(PATH).status_code == client.post(PATH, FORM).status_code == 404
