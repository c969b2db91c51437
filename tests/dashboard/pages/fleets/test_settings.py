"""The settings of a fleet, and its end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from devices import connectivity, keys
from devices.models import ApiKey, Device
from devices.operations.fleet_settings import change_fleet
from fleets.models import AuditEntry, Fleet, Organization, Role
from fleets.services.fleets import settings_of
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
PATH, END = "/fleets/kiosks/settings/", "/fleets/kiosks/delete/"


@pytest.fixture
def organization() -> Organization:
    return make_organization(slug="halden", name="Halden", shows_plan=True)


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(
        organization, name="Kiosks", slug="kiosks", device_type="NUC", poll_interval=5400, vpn_enabled=False
    )


@pytest.fixture
def admin(client: Client, fleet: Fleet) -> Client:
    client.force_login(make_member(fleet.organization, Role.ADMINISTRATOR, "ada"))
    return client


def form_of(client: Client, **said: str) -> dict[str, str]:
    """The form as the page shows it, with what a person enters instead."""
    html = client.get(PATH).content.decode()
    shown: dict[str, Any] = dict(re.findall(r'<input[^>]* name="(\w+)" value="([^"]*)"', html))
    shown["type"] = re.findall(r'name="type" value="(\w+)"[^>]* checked', html)[0]
    shown["vpn_enabled"] = re.findall(r'name="vpn_enabled" value="(\w+)"[^>]* checked', html)[0]
    shown["unit"] = re.findall(r'<option value="(\w+)" selected', html)[0]
    shown.pop("next", None)
    return shown | said


def test_what_is_saved_is_shown_and_saving_it_again_changes_nothing(admin: Client, fleet: Fleet) -> None:
    before = settings_of(fleet)
    form = form_of(admin)
    assert (form["name"], form["device_type"], form["type"]) == ("Kiosks", "NUC", "standard")
    assert (form["every"], form["unit"]) == ("90", "min")
    answer = admin.post(PATH, form, follow=True)
    assert answer.redirect_chain == [(PATH, 302)]
    assert "The settings of Kiosks are saved." in text_of(answer)
    assert settings_of(fleet) == before
    assert not AuditEntry.objects.exists()


def test_everything_is_changed_at_once(admin: Client, fleet: Fleet) -> None:
    device = make_device(fleet, vpn_enabled=False)
    said = {"name": "New", "device_type": "", "type": "paid", "every": "", "vpn_enabled": "on"}
    admin.post(PATH, form_of(admin, **said))
    assert settings_of(fleet) == {
        "name": "New",
        "device_type": "",
        "type": "paid",
        "poll_interval": None,
        "vpn_enabled": True,
    }
    device = Device.objects.get()
    assert (device.vpn_enabled, device.frozen_reason) == (True, "fleet-type")
    assert AuditEntry.objects.get().actor_name == "ada"


def test_an_interval_out_of_bounds_is_refused(admin: Client, fleet: Fleet) -> None:
    answer = admin.post(PATH, form_of(admin, every="25", unit="h"))
    assert "The poll interval must be from 10 s to 24 h, not 25 h." in text_of(answer)
    assert settings_of(fleet)["poll_interval"] == 5400


@pytest.mark.parametrize(
    ("seconds", "every", "unit", "doubt"),
    [
        (10, "10", "s", None),
        (90, "90", "s", None),
        (
            3600,
            "1",
            "h",
            "At 1 h, a device in this fleet that is switched off is noticed after up to 1 h 30 min 15 s",
        ),
        (
            86400,
            "24",
            "h",
            "At 24 h, a device in this fleet that is switched off is noticed after up to 36 h 15 s",
        ),
        (None, None, "min", None),
    ],
)
def test_an_interval_is_shown_in_its_unit_and_a_long_one_with_what_it_hides(
    admin: Client, fleet: Fleet, seconds: int | None, every: str | None, unit: str, doubt: str | None
) -> None:
    Fleet.objects.update(poll_interval=seconds)
    form = form_of(admin)
    assert (form.get("every"), form["unit"]) == (every, unit)
    words = text_of(admin.get(PATH))
    assert ("that is switched off is noticed after" in words) is (doubt is not None)
    assert (doubt or "") in words


def test_what_another_saved_meanwhile_is_not_overwritten_unseen(admin: Client, fleet: Fleet) -> None:
    form = form_of(admin, name="Mine")
    other = make_member(fleet.organization, Role.ADMINISTRATOR, "otto")
    change_fleet(fleet=fleet, actor=other, poll_interval=60, vpn_enabled=True, type="paid")
    answer = admin.post(PATH, form)
    words = text_of(answer)
    assert answer.status_code == 409
    assert "Nothing was saved. otto changed these settings" in words
    assert "These values are saved now: Name Kiosks, Type Paid, Poll interval 1 min, VPN on." in words
    assert 'value="Mine"' in answer.content.decode()
    assert settings_of(fleet)["name"] == "Kiosks"
    seen = re.findall(r'name="seen" value="(\w+)"', answer.content.decode())[0]
    assert admin.post(PATH, form | {"seen": seen}).status_code == 302
    assert (settings_of(fleet)["name"], settings_of(fleet)["poll_interval"]) == ("Mine", 5400)


def test_a_vpn_that_is_not_used_yet_stays_so_until_it_is_set(admin: Client, fleet: Fleet) -> None:
    assert "Not used yet" not in text_of(admin.get(PATH))
    Fleet.objects.update(vpn_enabled=None)
    assert "When a VPN server first reports one of them as connected" in text_of(admin.get(PATH))
    admin.post(PATH, form_of(admin, name="New"))
    assert (settings_of(fleet)["name"], settings_of(fleet)["vpn_enabled"]) == ("New", None)
    admin.post(PATH, form_of(admin, vpn_enabled="off"))
    assert settings_of(fleet)["vpn_enabled"] is False


def test_a_first_connect_while_the_form_is_open_is_not_undone_unseen(admin: Client, fleet: Fleet) -> None:
    Fleet.objects.update(vpn_enabled=None)
    form = form_of(admin, name="Mine")
    connectivity.vpn_connected("vpn-1", [make_device(fleet, vpn_enabled=False).uuid])
    answer = admin.post(PATH, form)
    assert answer.status_code == 409
    assert "Nothing was saved. VPN server vpn-1 changed these settings" in text_of(answer)
    assert "Name Kiosks, VPN on." in text_of(answer)


def test_a_form_that_names_no_version_saves_nothing(admin: Client, fleet: Fleet) -> None:
    form = form_of(admin, name="Mine")
    del form["seen"]
    assert admin.post(PATH, form).status_code == 409
    assert settings_of(fleet)["name"] == "Kiosks"


def test_a_fleet_goes_after_its_address_was_typed(admin: Client, fleet: Fleet) -> None:
    keys.new_provisioning_key(fleet, "cards")
    assert "1 provisioning key stops working immediately" in text_of(admin.get(END))
    answer = admin.post(END, {"confirm": "Kiosks"})
    assert "Type kiosks to delete it. Nothing was deleted." in text_of(answer)
    assert Fleet.objects.exists()
    answer = admin.post(END, {"confirm": "kiosks"}, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert "Kiosks was deleted." in text_of(answer)
    assert not Fleet.objects.exists()
    assert not ApiKey.objects.exists()


def test_a_fleet_with_devices_stays_and_says_why(admin: Client, fleet: Fleet) -> None:
    make_device(fleet)
    for answer in (admin.get(END), admin.post(END, {"confirm": "kiosks"})):
        words = text_of(answer)
        assert "Kiosks cannot be deleted, because it has 1 device" in words
        assert 'name="confirm"' not in answer.content.decode()
    assert Fleet.objects.exists()


@pytest.mark.parametrize("path", [PATH, END])
@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR])
def test_other_members_may_not(client: Client, fleet: Fleet, path: str, role: Role) -> None:
    client.force_login(make_member(fleet.organization, role))
    assert client.get(path).status_code == client.post(path, {"confirm": "kiosks"}).status_code == 403
    assert Fleet.objects.exists()


@pytest.mark.parametrize("path", [PATH, END])
def test_strangers_see_nothing(client: Client, fleet: Fleet, path: str) -> None:
    assert client.get(path).status_code == 302
    client.force_login(make_member(make_organization(), Role.OWNER))
    assert client.get(path).status_code == client.post(path, {"confirm": "kiosks"}).status_code == 404
    assert Fleet.objects.exists()
