"""What only a browser can tell: width, themes, keys, and pages without script."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from dashboard.models import User
from devices import connectivity
from devices.models import Device
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

FIRST_LOAD_MOST = 250_000  # bytes, everything included
BUSY = {
    "os_version": "A rather long name of an operating system 12.8 (extended)",
    "release": "2.14.0-rc1+build.20261122",
    "target_release": "2.14.1",
    "ip_addresses": ["fd12:3456:789a:1::1", "10.20.4.17"],
    "public_address": "2001:db8:85a3:8d3:1319:8a2e:370:7348",
    "tags": {"site": "a long name of a site", "line": "1"},
    "notes": "Unbroken" * 30,
}


@pytest.fixture
def user(context: BrowserContext) -> User:
    user = make_member(make_organization())
    sign_in(context, user)
    return user


@pytest.fixture
def devices(user: User) -> list[Device]:
    fleet = make_fleet(user.memberships.get().organization, name="a-fleet-with-quite-a-long-name-for-a-phone")
    devices = [make_device(fleet, name=f"device-with-a-long-name-{n:02}", **BUSY) for n in range(4)]
    connectivity.record_heartbeats([device.pk for device in devices[:3]])
    connectivity.vpn_connected("vpn-1", [device.uuid for device in devices[:2]])
    Device.objects.filter(pk=devices[0].pk).update(update_progress=38, update_status="downloading")
    return devices


def test_the_first_load_stays_within_its_budget(page: Page, devices: list[Device]) -> None:
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.goto("/")
    expect(page.locator("#live-text")).to_contain_text("Live")
    assert 100_000 < sum(sizes) < FIRST_LOAD_MOST


def test_the_theme_is_kept_by_the_server(page: Page, user: User) -> None:
    page.goto("/")
    assert page.locator("html").get_attribute("data-bs-theme") is None
    page.locator("summary.avatar-btn").click()
    page.get_by_role("button", name="Theme: dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 16, 19)"


def test_keys_find_and_close(page: Page, devices: list[Device]) -> None:
    page.goto("/devices/")
    page.keyboard.press("/")  # to the field that shows this key
    assert page.evaluate("document.activeElement.id") == "find"
    page.locator("#find").fill("name-03")
    page.keyboard.press("Enter")
    page.wait_for_url("**/devices/?q=name-03")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody .name").focus()
    tip = page.locator("tbody .tip")
    expect(tip).to_have_css("clip-path", "none")  # it is clipped, not away: a reader finds it all the time
    assert tip.locator("b").evaluate_all("all => all.every((b) => b.scrollWidth <= b.offsetWidth)")
    page.keyboard.press("Escape")
    expect(tip).not_to_have_css("clip-path", "none")


def test_a_facet_filters_at_once_and_keeps_the_focus(page: Page, devices: list[Device]) -> None:
    page.goto("/devices/?sort=name")
    page.locator("#facet-updating").focus()
    page.keyboard.press("Space")
    page.wait_for_url("**/devices/?sort=name&status=updating")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "facet-updating"


def test_ticks_are_counted_and_copied(page: Page, context: BrowserContext, devices: list[Device]) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/devices/?sort=name")
    page.locator("#select-all").check()
    expect(page.locator("#selected-count")).to_have_text("4")
    page.locator(f"#tick-{devices[1].uuid}").uncheck()
    expect(page.locator("#selected-count")).to_have_text("3")
    page.get_by_role("button", name="Copy UUIDs").click()
    expect(page.locator("#announce")).to_have_text("Copied")
    kept = [device.uuid for device in devices if device != devices[1]]
    assert page.evaluate("navigator.clipboard.readText()").split() == kept
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator(".bulk")).to_be_hidden()


def test_everything_works_without_script(
    browser: Browser, live_server: LiveServer, devices: list[Device]
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, User.objects.get())
    page = context.new_page()
    page.goto("/devices/")
    expect(page.locator("#live-mark")).to_be_hidden()
    page.locator("label", has=page.locator("#facet-updating")).click()
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody .name").click()
    expect(page.locator("h1")).to_have_text(devices[0].name)
    page.locator("summary.avatar-btn").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in to Lookout")
    context.close()


def test_settings_load_a_long_list_of_fleets_when_it_is_opened(page: Page, user: User) -> None:
    organization = user.memberships.get().organization
    for number in range(9):
        make_fleet(organization, slug=f"many-{number}")
    page.goto(f"/settings/{organization.slug}/")
    fleets = page.locator("#side-fleets a[href^='/fleets/many-']")
    expect(fleets).to_have_count(0)
    page.locator("#side-fleets summary").click()
    expect(fleets).to_have_count(9)
    expect(fleets.first).to_be_visible()


def test_on_a_phone_a_device_is_seen_first_and_the_filters_behind_one_button(
    page: Page, devices: list[Device]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/devices/?sort=name")
    expect(page.locator("#q")).to_be_hidden()
    expect(page.locator("#facets")).to_be_hidden()
    assert page.locator("tbody tr").first.evaluate("row => row.getBoundingClientRect().bottom") < 844 / 2 + 60
    page.locator(".filters-button").click()
    expect(page.locator("#q")).to_be_visible()
    expect(page.locator("#menu-sort")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("#q")).to_be_visible()
    expect(page.locator("#menu-sort")).to_be_hidden()  # the heads of the columns are the one place
    expect(page.locator(".filters-button")).to_be_hidden()
