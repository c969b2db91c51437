"""The journey of the night: what is wrong, since when, where, whose fault and what to do, in two clicks."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devices import clock, connectivity
from devices.models import Device
from fleets.models import Fleet, Role
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

CENTRAL = "203.0.113.7"


@pytest.fixture
def fleet(context: BrowserContext) -> Fleet:
    organization = make_organization()
    sign_in(context, make_member(organization, Role.OPERATOR))
    return make_fleet(organization, name="kiosks", slug="kiosks")


def lost_together(fleet: Fleet, number: int) -> list[Device]:
    """Devices of one site that lost their VPN five minutes ago and still poll."""
    devices = [
        make_device(fleet, name=f"kiosk-{place}", public_address=CENTRAL, tags={"site": "central"})
        for place in range(number)
    ]
    at, uuids = clock.now() - timedelta(minutes=6), [device.uuid for device in devices]
    connectivity.vpn_alive("vpn-1")
    connectivity.vpn_connected("vpn-1", uuids, at)
    connectivity.record_heartbeats([device.pk for device in devices], at)
    connectivity.vpn_disconnected("vpn-1", uuids, at + timedelta(minutes=1))
    return devices


def test_two_clicks_tell_what_is_wrong_since_when_where_whose_fault_and_what_to_do(
    page: Page, fleet: Fleet
) -> None:
    lost_together(fleet, 12)
    for _ in range(20):
        make_device(fleet, public_address="198.51.100.4")
    page.goto("/")
    expect(page.locator(".overview .attn")).to_contain_text(re.compile(r"\d+\s+need attention"))

    page.locator(".overview .attn").click()  # the first click
    expect(page).to_have_title(re.compile(r"^\(\d+\) Attention"))
    line = page.locator("tr", has_text=f"at {CENTRAL}")
    what = f"12 of 12 devices at {CENTRAL} lost the VPN within 1\N{NO-BREAK SPACE}s and kept the heartbeat"
    expect(line.locator(".c-what b")).to_have_text(what)  # what is wrong, and that it is one site
    expect(line.locator(".c-where")).to_contain_text("site = central")
    expect(line.locator(".c-since")).to_contain_text("5\N{NO-BREAK SPACE}min")  # since when
    expect(line.locator(".c-next")).to_contain_text(re.compile(r"Offline by (\d+ \w+ )?\d\d:\d\d"))
    expect(page.locator(".own-side")).to_contain_text("Lookout is working.")  # whose fault
    expect(page.locator(".own-side")).to_contain_text("its VPN server reports")

    line.get_by_role("link", name="kiosk-2").click()  # the second click
    expect(page.get_by_role("heading", name="What to check next")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Firewall or proxy at the site")  # what to do
    expect(page.locator("main")).to_contain_text(f"0 of 11 other devices at {CENTRAL} have both links.")


def test_our_own_fault_is_said_where_one_looks_first(page: Page, fleet: Fleet) -> None:
    lost_together(fleet, 5)
    connectivity.vpn_alive("vpn-2", at=clock.now() - timedelta(minutes=10))
    page.goto("/attention/")
    expect(page.locator(".own-side")).to_contain_text("not every VPN server reports")
    expect(page.locator(".own-side")).to_contain_text("vpn-2 stopped reporting at")


def test_the_keyboard_reaches_a_line_and_its_actions(page: Page, fleet: Fleet) -> None:
    lost_together(fleet, 5)
    page.goto("/attention/")
    tick = page.get_by_role("checkbox", name=re.compile(f"Select 5 of 5 devices at {re.escape(CENTRAL)}"))
    tick.focus()
    page.keyboard.press("Space")
    expect(page.locator("#selected-count")).to_have_text("5")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Tag…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Tag 5 devices")
