"""The Attention page in a browser, and the icon of the tab."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devices import clock, connectivity
from devices.models import Device
from fleets.models import Fleet
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fleet(context: BrowserContext) -> Fleet:
    organization = make_organization()
    sign_in(context, make_member(organization))
    return make_fleet(organization, name="kiosks", slug="kiosks")


def lose(devices: list[Device]) -> None:
    at = clock.now() - timedelta(minutes=2)
    uuids = [device.uuid for device in devices]
    connectivity.vpn_connected("vpn-1", uuids, at)
    connectivity.record_heartbeats([device.pk for device in devices], at)
    connectivity.vpn_disconnected("vpn-1", uuids, at + timedelta(minutes=1))


def test_the_icon_of_the_tab_follows_what_needs_attention(page: Page, fleet: Fleet) -> None:
    device = make_device(fleet)
    page.goto("/")
    icon = page.locator("#icon")
    expect(icon).to_have_attribute("href", re.compile(r"/favicon[.]"))
    lose([device])
    expect(icon).to_have_attribute("href", re.compile(r"/favicon-trouble[.]"))
    connectivity.vpn_connected("vpn-1", [device.uuid])
    expect(icon).to_have_attribute("href", re.compile(r"/favicon[.]"))


def test_a_line_that_was_opened_stays_open_while_more_is_lost(page: Page, fleet: Fleet) -> None:
    lose([make_device(fleet, name=f"kiosk-{number}") for number in range(5)])
    page.goto("/attention/")
    line = page.locator(".c-what details")
    line.locator("summary").click()
    expect(line.get_by_role("link", name="kiosk-4")).to_be_visible()
    lose([make_device(fleet, name="alone", public_address="203.0.113.9")])
    expect(page.locator("#attention-total")).to_contain_text("6 devices need attention")
    expect(line.get_by_role("link", name="kiosk-4")).to_be_visible()
