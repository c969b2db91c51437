"""What screen readers are told of a page that keeps changing: what changed, and not more than every 10 s."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devices import connectivity
from devices.models import Device
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def device(context: BrowserContext) -> Device:
    organization = make_organization()
    sign_in(context, make_member(organization))
    return make_device(make_fleet(organization), name="kiosk-1")


def answered(page: Page) -> None:
    """Wait until the region has its answer: the page's clock must not run on to the end of its patience."""
    expect(page.locator("#live")).not_to_have_class(re.compile("htmx-request"))


def refresh_until(page: Page, status: str) -> None:
    """Let the page ask until it shows the status; its own clock moves on by half a second each time."""
    for _ in range(4):
        with page.expect_response(lambda response: "/devices/" in response.url):
            page.clock.run_for(500)
        answered(page)
        if page.locator("#state .badge-st").inner_text() == status:
            return
    expect(page.locator("#state .badge-st")).to_have_text(status)


@pytest.mark.thorough
def test_changes_are_said_at_most_every_ten_seconds(page: Page, device: Device) -> None:
    page.clock.install()
    page.goto(f"/devices/{device.uuid}/")
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))
    connectivity.record_heartbeats([device.pk])
    refresh_until(page, "Online (Heartbeat Only)")
    told = page.locator("#announce")
    expect(told).to_have_text("kiosk-1: Online (Heartbeat Only)")
    Device.objects.filter(pk=device.pk).update(update_progress=10)
    refresh_until(page, "Updating")
    expect(told).to_have_text("kiosk-1: Online (Heartbeat Only)")  # not yet
    for _ in range(20):
        page.clock.run_for(500)
        answered(page)
    expect(told).to_have_text("kiosk-1: Updating")
