"""A session that ends while somebody types: the text stays, and arrives once they are signed in again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from devices.models import Device
from fleets.models import Organization
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]

PASSWORD = "correct horse battery staple"
OUT = "You are signed out."


@pytest.fixture
def device(context: BrowserContext) -> Device:
    organization = make_organization()
    sign_in(context, make_member(organization, username="ada", password=PASSWORD))
    make_member(organization, username="bob", password=PASSWORD)
    return make_device(make_fleet(organization), name="kiosk-1")


@pytest.fixture
def other(context: BrowserContext, device: Device) -> Page:
    """Another tab of the same session."""
    other = context.new_page()
    other.goto("/settings/")
    return other


def sign_out(tab: Page) -> None:
    tab.locator("summary.avatar-btn").click()
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.get_by_role("heading", name="Sign in to Lookout")).to_be_visible()


def fill_sign_in(tab: Page, user: str = "ada") -> None:
    tab.get_by_label("User name or e-mail").fill(user)
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign in", exact=True).click()
    expect(tab.get_by_role("heading", name="Fleets")).to_be_visible()


def sign_in_by(link: Locator) -> None:
    """In the new tab that the link opens."""
    with link.page.expect_popup() as opened:
        link.click()
    fill_sign_in(opened.value)
    opened.value.close()


def banner(page: Page) -> Locator:
    return page.locator("#session")


def test_an_open_editor_stays_when_the_session_ends_in_another_tab(
    page: Page, other: Page, device: Device
) -> None:
    page.goto(f"/devices/{device.uuid}/")
    page.get_by_role("link", name="Edit notes").click()
    notes = page.locator("#id_notes")
    notes.fill("Right of the ")
    sign_out(other)
    expect(banner(page)).to_contain_text(OUT)
    expect(page.get_by_role("alert")).to_contain_text(OUT)
    notes.press_sequentially("stairs.")
    page.get_by_role("button", name="Save").click()
    expect(banner(page)).to_be_visible()
    expect(notes).to_have_value("Right of the stairs.")
    assert Device.objects.get().notes == ""
    sign_in_by(banner(page).get_by_role("link"))
    expect(banner(page)).to_be_hidden()
    expect(page.locator("#live-text")).to_contain_text("Live")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#fact-notes.fact")).to_contain_text("Right of the stairs.")
    assert Device.objects.get().notes == "Right of the stairs."


def test_a_form_whose_session_ended_says_so_and_is_sent_after_signing_in(
    page: Page, other: Page, device: Device
) -> None:
    page.goto("/organizations/new/")
    name, send = page.get_by_label("Name", exact=True), page.locator("main form button")
    name.fill("Aker Ferries")
    sign_out(other)
    send.click()
    expect(banner(page)).to_contain_text(OUT)
    expect(name).to_have_value("Aker Ferries")
    sign_in_by(banner(page).get_by_role("link"))
    send.click()
    expect(page.locator("h1")).to_have_text("Aker Ferries")
    assert Organization.objects.filter(name="Aker Ferries").count() == 1


def test_a_form_from_before_signing_out_and_in_again_is_sent(page: Page, other: Page, device: Device) -> None:
    page.goto("/organizations/new/")
    page.get_by_label("Name", exact=True).fill("Aker Ferries")
    sign_out(other)
    fill_sign_in(other)
    page.locator("main form button").click()
    expect(page.locator("h1")).to_have_text("Aker Ferries")


def test_ticks_stay_and_are_meant_after_signing_in(page: Page, other: Page, device: Device) -> None:
    page.goto("/devices/")
    tick = page.locator(f"#tick-{device.uuid}")
    tick.check()
    sign_out(other)
    expect(banner(page)).to_contain_text(OUT)
    expect(tick).to_be_checked()
    page.get_by_role("button", name="Tag…").click()
    sign_in_by(banner(page).get_by_role("link"))
    expect(banner(page)).to_be_hidden()
    page.get_by_role("button", name="Tag…").click()
    expect(page.locator("h1")).to_contain_text("Tag 1 device")


def test_nothing_is_sent_in_the_name_of_who_signed_in_instead(
    page: Page, other: Page, device: Device
) -> None:
    page.goto(f"/devices/{device.uuid}/notes/")
    page.locator("#id_notes").fill("Ada's words.")
    sign_out(other)
    fill_sign_in(other, "bob")
    page.get_by_role("button", name="Save").click()
    expect(banner(page)).to_contain_text("You are signed in as bob now.")
    expect(page.locator("#id_notes")).to_have_value("Ada's words.")
    assert Device.objects.get().notes == ""


def test_a_form_is_not_sent_into_the_void(page: Page, context: BrowserContext, device: Device) -> None:
    page.goto("/organizations/new/")
    name, send = page.get_by_label("Name", exact=True), page.locator("main form button")
    name.fill("Aker Ferries")
    context.set_offline(True)
    send.click()
    expect(banner(page)).to_contain_text("The site does not answer. Nothing was sent.")
    expect(name).to_have_value("Aker Ferries")
    context.set_offline(False)
    send.click()
    expect(page.locator("h1")).to_have_text("Aker Ferries")


def test_a_refresh_that_is_led_elsewhere_changes_nothing_on_the_page(page: Page, device: Device) -> None:
    """As by a proxy in front that has its own sign-in."""

    def lead(route: Route) -> None:
        if route.request.headers.get("hx-request") == "true":
            route.fulfill(status=302, headers={"Location": "/session/"})
        else:
            route.continue_()

    page.goto(f"/devices/{device.uuid}/")
    page.get_by_role("link", name="Edit notes").click()
    page.locator("#id_notes").fill("Right of the stairs.")
    page.route("**/devices/**", lead)
    expect(page.locator("#live-text")).to_contain_text("Reconnecting")
    expect(page.locator("#id_notes")).to_have_value("Right of the stairs.")
    expect(page.locator("#state")).to_be_visible()


@pytest.fixture
def plain(browser: Browser, base_url: str) -> Iterator[BrowserContext]:
    """A browser without script."""
    context = browser.new_context(base_url=base_url, java_script_enabled=False)
    yield context
    context.close()


def test_without_script_the_answer_keeps_what_was_entered(plain: BrowserContext) -> None:
    device = make_device(make_fleet(organization := make_organization()))
    sign_in(plain, make_member(organization, username="ada", password=PASSWORD))
    page, other = plain.new_page(), plain.new_page()
    page.goto(f"/devices/{device.uuid}/notes/")
    page.locator("#id_notes").fill("Two lines\nof notes.")
    other.goto("/settings/")
    sign_out(other)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.locator(".said")).to_contain_text("of notes.")
    sign_in_by(page.get_by_role("link", name="Sign in in a new tab"))
    again = page.get_by_role("button", name="Send again")
    again.click()
    expect(page.get_by_role("heading", name="Send the form again")).to_be_visible()
    expect(page.locator(".lead-error")).to_contain_text("You are signed in as ada now.")
    again.click()
    expect(page.get_by_role("status").filter(has_text="Notes saved.")).to_be_visible()
    assert Device.objects.get().notes == "Two lines\nof notes."
