"""What the pages of all actions on a device share: who may, what they show of it, where they lead."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils.html import escape

from devices import clock, connectivity
from devices.models import ApiKey, Device
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization, make_uuid
from tests.pages import text_of

pytestmark = pytest.mark.django_db

ACTIONS = {
    "deactivate": Role.OPERATOR,
    "move": Role.OPERATOR,
    "key": Role.OPERATOR,
    "delete": Role.ADMINISTRATOR,
}


@pytest.fixture
def device(fleet: Fleet) -> Device:
    make_fleet(fleet.organization, name="buoys", slug="buoys")
    return make_device(fleet, name="kiosk-1")


def address(device: Device, action: str) -> str:
    return f"/devices/{device.uuid}/{action}/"


def form(device: Device, action: str) -> dict[str, str]:
    """What the page of this action posts."""
    return {
        "deactivate": {"sure": "yes"},
        "move": {"from": device.fleet.slug, "to": "buoys"},
        "key": {"newest": "", "hours": ""},
        "delete": {"confirm": device.name},
    }[action]


def facts() -> list[tuple[object, ...]]:
    """All that these actions could change."""
    devices = Device.objects.order_by("pk").values_list("pk", "fleet", "is_active", "frozen_reason")
    return [*devices, *ApiKey.objects.order_by("pk").values_list("pk", "revoked_at", "expires_at")]


@pytest.mark.parametrize("action", ACTIONS)
def test_strangers_get_404(client: Client, device: Device, action: str) -> None:
    client.force_login(make_member(make_organization(), Role.OWNER))
    before = facts()
    assert client.get(address(device, action)).status_code == 404
    assert client.post(address(device, action), form(device, action)).status_code == 404
    assert client.get(f"/devices/{make_uuid()}/{action}/").status_code == 404
    assert facts() == before


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", list(Role))
def test_each_asks_for_its_role(client: Client, device: Device, action: str, role: Role) -> None:
    client.force_login(make_member(device.organization, role))
    before, may = facts(), role.includes(ACTIONS[action])
    assert client.get(address(device, action)).status_code == (200 if may else 403)
    answer = client.post(address(device, action), form(device, action))
    assert answer.status_code in ((201, 302) if may else (403,))
    assert (facts() != before) == may


@pytest.mark.parametrize("action", ACTIONS)
def test_others_are_led_to_the_sign_in(client: Client, device: Device, action: str) -> None:
    for answer in (
        client.get(address(device, action)),
        client.post(address(device, action), form(device, action)),
    ):
        assert answer.headers["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("action", ACTIONS)
def test_looking_changes_nothing(client: Client, device: Device, action: str) -> None:
    client.force_login(make_member(device.organization, Role.OWNER))
    before = facts()
    client.get(address(device, action), {"to": "buoys"} | form(device, action))
    assert facts() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_each_shows_the_device_as_its_summary_does(client: Client, device: Device, action: str) -> None:
    client.force_login(make_member(device.organization, Role.OWNER))
    connectivity.vpn_connected("vpn-1", [device.uuid], clock.now())
    page = client.get(address(device, action))
    words = text_of(page)
    assert 'badge-st-lg" data-st="vpn-only"' in page.content.decode()
    for said in ("Fleets / kiosks / kiosk-1", "VPN connected", "API never seen", f"UUID {device.short_uuid}"):
        assert said in words
    assert "no-store" in page["Cache-Control"]


@pytest.mark.parametrize("action", ACTIONS)
def test_names_are_text(client: Client, fleet: Fleet, action: str) -> None:
    evil = '"><script>alert(1)</script>'
    device = make_device(fleet, name=evil)
    client.force_login(make_member(fleet.organization, Role.OWNER))
    html = client.get(address(device, action)).content.decode()
    assert escape(evil) in html
    assert evil not in html


@pytest.mark.parametrize("action", ACTIONS)
def test_pages_stay_narrowed_to_the_organization(
    client: Client, organization: Organization, device: Device, action: str
) -> None:
    client.force_login(make_member(organization, Role.OWNER))
    narrowed = f"?org={organization.slug}"
    html = client.get(address(device, action) + narrowed).content.decode()
    main = html.split("<main", 1)[1].split("</main>")[0]
    places = re.findall(r'(?:href|action)="(/(?:devices|fleets)[^"]*)"', main)
    assert places
    assert all(place.endswith(narrowed) or place == f"/devices/{device.uuid}/move/" for place in places)
    answer = client.post(address(device, action) + narrowed, form(device, action))
    if answer.status_code == 302:
        assert answer["Location"].endswith(narrowed)
    assert client.get(f"{address(device, action)}?org=elsewhere").status_code == 404
