"""Journeys with no hand on a mouse, and what paper, reduced motion and forced colours make of a page."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devices import connectivity
from devices.models import Device
from fleets.models import Fleet, Role
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

ACTIVE = "document.activeElement.id"
# Whether the focus can be seen: around the element, the field it stands in, or the chip that it ticks.
OUTLINED = """() => {
  const at = document.activeElement;
  const outlined = (each) => each && getComputedStyle(each).outlineStyle !== "none";
  return [at, at.parentElement, at.nextElementSibling].some(outlined);
}"""
# Whether it can be read.
SAYS = "said => document.body.innerText.replace(/\\s+/g, ' ').includes(said)"
# Which of these can be seen.
SHOWN = """wanted => [...document.querySelectorAll(wanted)]
  .filter((each) => each.checkVisibility()).map((each) => each.outerHTML.slice(0, 120))"""


@pytest.fixture
def fleet(context: BrowserContext) -> Fleet:
    organization = make_organization()
    sign_in(context, make_member(organization))
    return make_fleet(organization, name="kiosks", slug="kiosks")


@pytest.fixture
def devices(fleet: Fleet) -> list[Device]:
    devices = [make_device(fleet, name=f"d-{number:02}") for number in range(30)]
    connectivity.record_heartbeats([device.pk for device in devices[2:]])
    return devices


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until this has the focus; it can be seen at each stop."""
    for _ in range(150):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINED), page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"Tab leads nowhere near {wanted}")


def test_a_list_is_filtered_paged_and_acted_on(page: Page, devices: list[Device]) -> None:
    page.goto("/devices/?sort=name")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "#facet-heartbeat-only")
    page.keyboard.press("Space")
    page.wait_for_url("**/devices/?sort=name&status=heartbeat-only")
    expect(page.locator("tbody tr")).to_have_count(25)
    expect(page.locator("#facet-heartbeat-only")).to_be_focused()
    tab_to(page, "[rel=next]")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)

    tab_to(page, f"#tick-{devices[28].uuid}")
    page.keyboard.press("Space")
    expect(page.locator("#announce")).to_have_text("1 selected. Enter leads to the actions.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move…")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(f"#tick-{devices[28].uuid}")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "[value=deactivate]")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Deactivate 1 device")
    expect(page.locator(".bulk-found")).to_contain_text("A link is up: d-28")


def test_a_device_is_acted_on_and_its_note_edited(page: Page, devices: list[Device]) -> None:
    page.goto(f"/devices/{devices[0].uuid}/")
    tab_to(page, "#menu-actions summary")
    page.keyboard.press("Enter")
    tab_to(page, "#act-move")
    page.keyboard.press("Escape")
    expect(page.locator("#menu-actions summary")).to_be_focused()
    assert page.locator("#menu-actions").get_attribute("open") is None
    tab_to(page, "#edit-notes")
    page.keyboard.press("Enter")
    expect(page.locator("#id_notes")).to_be_focused()
    page.keyboard.type("Left of the stairs.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#edit-notes")).to_be_focused()
    assert Device.objects.get(pk=devices[0].pk).notes == "Left of the stairs."


def test_two_keys_lead_to_a_page_but_not_from_a_field(page: Page, devices: list[Device]) -> None:
    page.goto("/")
    for letter, heading in (("d", "Devices"), ("a", "Attention"), ("f", "Fleets")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.locator("h1")).to_have_text(heading)
    page.locator("#find").focus()
    page.keyboard.type("g d ?")
    expect(page.locator("#find")).to_have_value("g d ?")
    expect(page.locator("#shortcuts")).to_be_hidden()
    expect(page.locator("h1")).to_have_text("Fleets")


def test_a_question_mark_lists_the_keys_and_they_can_be_turned_off(page: Page, fleet: Fleet) -> None:
    page.goto("/")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_contain_text("Find a device")
    assert page.evaluate("document.activeElement.closest('dialog').id") == "shortcuts"
    page.get_by_label("Use these keys in this browser").uncheck()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    tab_to(page, "#shortcuts-open")
    page.keyboard.press("Enter")
    page.get_by_label("Use these keys in this browser").check()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#shortcuts-open")).to_be_focused()
    page.keyboard.press("?")
    expect(keys).to_be_visible()


def test_back_after_a_refresh_shows_a_whole_page(page: Page, devices: list[Device]) -> None:
    page.goto("/devices/?sort=name")
    connectivity.record_heartbeats([devices[0].pk])
    row = page.locator(f"#device-{devices[0].uuid} .badge-st")
    expect(row).to_have_text("Online (Heartbeat Only)")
    page.locator("tbody .name").first.click()
    expect(page.locator("h1")).to_have_text("d-00")
    page.go_back()
    expect(page.locator("nav[aria-label=Main]")).to_be_visible()
    expect(page.locator("h1")).to_have_text("Devices")
    expect(row).to_have_text("Online (Heartbeat Only)")
    expect(page.locator("tbody tr")).to_have_count(25)


def test_on_paper_a_page_is_text_and_tables_black_on_white(page: Page, devices: list[Device]) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 690, "height": 1000})  # A4 between its margins
    for path in ("/", "/devices/", f"/devices/{devices[0].uuid}/", "/attention/"):
        page.goto(path)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)"
        assert page.evaluate("document.documentElement.scrollWidth") <= 690, path
        assert page.evaluate(SHOWN, "nav:not(.pager), .btn, .menu, .tools, .live, input") == [], path
    page.goto("/devices/?status=heartbeat-only&q=d&tag=site")
    for said in (f"{devices[0].organization.name} as of ", "Only Online (Heartbeat Only)", "“d”", "tag site"):
        assert page.evaluate(SAYS, said), said
    page.emulate_media(media="screen")
    assert page.evaluate(SHOWN, "body > .on-paper") == []
    page.emulate_media(media="print")
    page.goto("/devices/")
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    expect(page.locator("tbody tr").first).to_contain_text("Online (Heartbeat Only)")


def test_on_paper_attention_and_the_audit_log_have_their_organization_filters_and_time(
    page: Page, devices: list[Device]
) -> None:
    organization, fleet = devices[0].organization, devices[0].fleet
    sign_in(page.context, make_member(organization, Role.ADMINISTRATOR))
    page.emulate_media(media="print")
    audit = f"/settings/{organization.slug}/audit/?who=ada&q=kiosk&action=device-moved&from=2026-03-02"
    audited = ("matches “kiosk”", "by “ada”", "“Moved a device”", "From 2 Mar 2026")
    for path, filters in ((f"/attention/?fleet={fleet.slug}", (fleet.name,)), (audit, audited)):
        page.goto(path)
        for said in (f"{organization.name} as of ", *filters):
            assert page.evaluate(SAYS, said), (path, said)


def test_nothing_moves_and_forced_colours_leave_their_edges(page: Page, devices: list[Device]) -> None:
    page.emulate_media(reduced_motion="reduce", forced_colors="active")
    page.goto("/devices/")
    assert page.evaluate("document.getAnimations().length") == 0
    badge = page.locator(".badge-st").first
    assert badge.evaluate("each => getComputedStyle(each).borderStyle") == "solid"
    assert (
        page.locator(".form-check-input").first.evaluate("each => getComputedStyle(each).appearance")
        == "auto"
    )
