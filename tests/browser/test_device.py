"""The Device Summary on a phone: what is read first stands first, to the eye as to a screen reader."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devices import connectivity
from devices.models import Device
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

READ = ["Status", "Facts", "What works now", "What to check next", "Vitals", "Connectivity"]
TOPS = "all => all.map((panel) => panel.getBoundingClientRect().top)"


@pytest.fixture
def device(context: BrowserContext) -> Device:
    organization = make_organization()
    sign_in(context, make_member(organization))
    device = make_device(make_fleet(organization), name="kiosk-1")
    connectivity.record_heartbeats([device.pk])
    return device


def test_facts_come_before_history_on_a_phone(page: Page, device: Device) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/devices/{device.uuid}/")
    heads = page.locator("#live h2")
    assert heads.all_inner_texts() == READ  # the order of the document
    tops = page.locator("#live .panel").evaluate_all(TOPS)
    assert len(tops) == len(READ)
    assert tops == sorted(tops)


def test_history_stands_beside_the_facts_where_there_is_room(page: Page, device: Device) -> None:
    page.goto(f"/devices/{device.uuid}/")
    history, facts = page.locator(".col-main").bounding_box(), page.locator(".col-side").bounding_box()
    assert history
    assert facts
    assert history["y"] == facts["y"]
    assert history["x"] + history["width"] < facts["x"]


def test_the_rules_unfold_and_stay_so_while_the_page_refreshes(page: Page, device: Device) -> None:
    page.goto(f"/devices/{device.uuid}/")
    rules = page.locator(".rules")
    expect(rules).to_be_hidden()
    page.get_by_text("Why this status").click()
    expect(rules).to_be_visible()
    connectivity.vpn_connected("vpn-1", [device.uuid])
    expect(page.locator("#state .badge-st")).to_have_text("Online")
    expect(rules).to_be_visible()


def test_what_is_folded_is_on_paper(page: Page, device: Device) -> None:
    page.goto(f"/devices/{device.uuid}/")
    expect(page.locator(".rules")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.locator(".rules")).to_be_visible()
    expect(page.locator("#more-facts .uuid")).to_be_visible()
