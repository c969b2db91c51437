"""Ticks, and what is done to all that are ticked."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from dashboard.models import User
from devices import connectivity
from devices.models import Device, SelectedDevice
from fleets.models import Fleet, Role
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fleet(context: BrowserContext) -> Fleet:
    organization = make_organization()
    sign_in(context, make_member(organization, Role.ADMINISTRATOR))
    return make_fleet(organization, name="kiosks", slug="kiosks")


def selected() -> list[str]:
    ids = SelectedDevice.objects.values_list("device_id", flat=True)
    return sorted(Device.objects.filter(pk__in=ids).values_list("name", flat=True))


def test_ticks_survive_a_refresh_and_are_those_that_are_meant(page: Page, fleet: Fleet) -> None:
    devices = [make_device(fleet, name=f"d-{number}") for number in range(4)]
    page.goto("/devices/?sort=name")
    for device in devices[1:3]:
        page.locator(f"#tick-{device.uuid}").check()
    connectivity.record_heartbeats([devices[0].pk])
    expect(page.locator(f"#device-{devices[0].uuid} .badge-st")).to_have_text("Online (Heartbeat Only)")
    expect(page.locator("#selected-count")).to_have_text("2")
    page.get_by_role("button", name="Deactivate…").click()
    expect(page.locator("h1")).to_have_text("Deactivate 2 devices")
    expect(page.locator(".bulk-found")).to_contain_text("d-1, d-2")
    page.get_by_role("button", name="Deactivate 2 devices").click()
    expect(page.locator("h1")).to_have_text("Deactivate 2 devices")
    expect(page.locator(".job-far")).to_contain_text("0 of 2")
    assert selected() == ["d-1", "d-2"]


def test_select_all_obeys_the_filter(page: Page, fleet: Fleet) -> None:
    devices = [make_device(fleet, name=f"d-{number:02}") for number in range(30)]
    connectivity.record_heartbeats([device.pk for device in devices[3:]])
    page.goto("/devices/?status=heartbeat-only&sort=name")
    page.locator("#select-all").check()
    expect(page.locator("#selected-count")).to_have_text("25")
    page.get_by_label("All 27 that match").check()
    expect(page.locator("#selected-count")).to_have_text("27")
    page.locator(f"#tick-{devices[3].uuid}").uncheck()
    expect(page.locator("#selected-count")).to_have_text("24")
    page.get_by_label("All 27 that match").check()
    page.get_by_role("button", name="Tag…").click()
    expect(page.locator("h1")).to_have_text("Tag 27 devices")
    assert selected() == [f"d-{number:02}" for number in range(3, 30)]


def test_an_action_whose_condition_is_not_met_is_disabled_with_its_reason(page: Page, fleet: Fleet) -> None:
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk])
    page.goto(f"/devices/{device.uuid}/")
    page.locator("#menu-actions summary").click()
    action = page.locator("#act-deactivate")
    expect(action).to_contain_text("The API heartbeat is on time.")
    expect(action).to_have_attribute("aria-disabled", "true")
    assert action.get_attribute("href") is None
    page.goto("/devices/")
    page.locator(f"#tick-{device.uuid}").check()
    page.get_by_role("button", name="Deactivate…").click()
    expect(page.locator(".bulk-found")).to_contain_text("A link is up")
    expect(page.get_by_role("button", name="None of them would change")).to_have_attribute(
        "aria-disabled", "true"
    )


def test_it_all_works_without_script(browser: Browser, live_server: LiveServer, fleet: Fleet) -> None:
    device = make_device(fleet, name="d")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, User.objects.get())
    page = context.new_page()
    page.goto("/devices/")
    page.locator(f"#tick-{device.uuid}").check()
    page.get_by_role("button", name="Tag…").click()
    page.get_by_label("Add").fill("site = a")
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("button", name="Tag 1 device: site = a").click()
    expect(page.locator("h1")).to_have_text("Tag 1 device: site = a")
    context.close()


def test_the_bar_of_actions_fits(page: Page, fleet: Fleet) -> None:
    device = make_device(fleet, name="a-device-with-quite-a-long-name-for-a-phone")
    page.goto("/devices/")
    page.locator(f"#tick-{device.uuid}").check()
    for width in (320, 390, 820, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        bar = page.locator("#bulk").bounding_box()
        assert bar
        assert 0 <= bar["x"] <= bar["x"] + bar["width"] <= width
