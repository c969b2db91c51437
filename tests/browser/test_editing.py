"""Facts edited in their place, while the page around them stays live."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devices import connectivity
from devices.models import Device
from devices.operations.editing import edit
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def device(context: BrowserContext) -> Device:
    organization = make_organization()
    sign_in(context, make_member(organization))
    return make_device(make_fleet(organization), name="kiosk-1", notes="Left of the stairs.")


def test_a_half_typed_note_survives_the_refresh_and_a_conflict(page: Page, device: Device) -> None:
    page.goto(f"/devices/{device.uuid}/")
    page.get_by_role("link", name="Edit notes").click()
    notes = page.locator("#id_notes")
    expect(notes).to_be_focused()
    notes.fill("Right of the sta")
    page.locator("#edit-tags").focus()  # a refresh overwrites what has no focus
    connectivity.record_heartbeats([device.pk])
    expect(page.locator("#state .badge-st")).to_have_text("Online (Heartbeat Only)")
    expect(notes).to_have_value("Right of the sta")
    ada = make_member(device.organization, username="ada")
    edit(device=device, actor=ada, field="notes", value="In the cellar.")
    notes.press_sequentially("irs.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing was saved. ada changed this")).to_be_visible()
    expect(page.locator(".said")).to_have_text("In the cellar.")
    expect(notes).to_have_value("Right of the stairs.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#fact-notes.fact")).to_contain_text("Right of the stairs.")
    expect(page.locator("#edit-notes")).to_be_focused()
    assert Device.objects.get().notes == "Right of the stairs."


def test_a_name_changes_everywhere_and_cancel_brings_the_fact_back(page: Page, device: Device) -> None:
    page.goto(f"/devices/{device.uuid}/")
    page.get_by_role("link", name="Edit name").click()
    page.locator("#id_name").fill("kiosk-2")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("kiosk-2")
    page.get_by_role("link", name="Edit tags").click()
    page.locator("#id_tags").fill("site = a")
    page.locator("#fact-tags").get_by_role("link", name="Cancel").click()
    expect(page.locator("#id_tags")).to_have_count(0)
    assert Device.objects.values("name", "tags").get() == {"name": "kiosk-2", "tags": {}}


def test_what_could_not_be_saved_is_said_and_kept(
    page: Page, context: BrowserContext, device: Device
) -> None:
    page.goto(f"/devices/{device.uuid}/")
    page.get_by_role("link", name="Edit notes").click()
    page.locator("#id_notes").fill("Right of the stairs.")
    context.set_offline(True)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing was saved, because the site did not answer")).to_be_visible()
    expect(page.locator("#id_notes")).to_have_value("Right of the stairs.")
    context.set_offline(False)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#fact-notes.fact")).to_contain_text("Right of the stairs.")
