"""A page that stays open: changes arrive by themselves and disturb nothing."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.template.loader import render_to_string
from playwright.sync_api import BrowserContext, Page, Route, expect

from devices import clock, connectivity
from devices.listing import facet_counts
from devices.models import Device
from fleets.models import Fleet
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fleet(context: BrowserContext) -> Fleet:
    organization = make_organization()
    sign_in(context, make_member(organization))
    return make_fleet(organization)


@pytest.fixture
def devices(fleet: Fleet) -> list[Device]:
    return [make_device(fleet, name=f"device-{number:02}") for number in range(20)]


def badge(page: Page, device: Device) -> str:
    return page.locator(f"#device-{device.uuid} .badge-st").inner_text()


@pytest.mark.thorough
def test_a_change_arrives_and_what_hands_did_stays(page: Page, fleet: Fleet, devices: list[Device]) -> None:
    ticked, changed = devices[3], devices[15]
    page.goto(f"/fleets/{fleet.slug}/?sort=name")
    page.locator(f"#tick-{ticked.uuid}").check()
    page.locator("#menu-columns summary").click()
    page.locator("#q").press_sequentially("half ty")
    page.evaluate("window.scrollTo(0, 300)")
    page.evaluate("window.sameDocument = true")
    expect(page.locator(f"#device-{changed.uuid} .badge-st")).to_have_text("Post Provisioning")
    connectivity.record_heartbeats([changed.pk])
    expect(page.locator("#announce")).to_have_text(f"{changed.name}: Online (Heartbeat Only)")
    connectivity.vpn_connected("vpn-1", [changed.uuid])
    expect(page.locator(f"#device-{changed.uuid} .badge-st")).to_have_text("Online")
    expect(page.locator("#facet-online + span b")).to_have_text("1")
    expect(page.locator("#announce")).to_have_text(f"{changed.name}: Online")
    assert page.evaluate("window.sameDocument") is True
    assert page.locator(f"#tick-{ticked.uuid}").is_checked()
    assert page.locator("#selected-count").inner_text() == "1"
    assert page.locator("#q").input_value() == "half ty"
    assert page.evaluate("document.activeElement.id") == "q"
    assert page.evaluate("document.activeElement.selectionStart") == len("half ty")
    assert page.evaluate("window.scrollY") == 300


def test_counts_that_come_late_stay_when_the_rows_are_refreshed(
    page: Page, fleet: Fleet, devices: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facet_counts, "MANY", 2)  # devices that a page still counts
    page.goto(f"/fleets/{fleet.slug}/?vpn=never")
    count = page.locator("#facet-post-provisioning + span b")
    expect(count).to_have_text("20")
    connectivity.record_heartbeats([devices[0].pk])
    expect(page.locator(f"#device-{devices[0].uuid} .badge-st")).to_have_text("Online (Heartbeat Only)")
    expect(count).to_have_text("20")  # counted anew once a minute


def test_a_menu_suggests_what_occurs_and_keeps_what_is_half_typed(
    page: Page, fleet: Fleet, devices: list[Device]
) -> None:
    make_device(fleet, device_type="Intel NUC")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "occurring" in request.url else None)
    page.goto("/devices/")
    expect(page.locator("#live-text")).to_contain_text("Live")
    assert asked == []
    field, options = page.locator("#add-type"), page.locator("#occurring-type option")
    page.locator("#menu-facts summary").click()
    expect(options).to_have_count(1)
    field.press_sequentially("Intel N")
    connectivity.record_heartbeats([devices[0].pk])
    expect(page.locator("#facet-heartbeat-only + span b")).to_have_text("1")
    assert field.input_value() == "Intel N"
    assert page.evaluate("document.activeElement.id") == "add-type"
    assert page.evaluate("[...document.activeElement.list.options].map((one) => one.value)") == ["Intel NUC"]
    for _ in range(2):
        page.locator("#menu-facts summary").click()
    assert len(asked) == 1
    field.fill("Intel NUC")
    field.press("Enter")
    page.wait_for_url("**/devices/?type=Intel+NUC")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_an_open_menu_stays_open(page: Page, fleet: Fleet, devices: list[Device]) -> None:
    page.goto(f"/fleets/{fleet.slug}/")
    page.locator("#menu-columns summary").click()
    connectivity.record_heartbeats([devices[0].pk])
    expect(page.locator("#facet-heartbeat-only + span b")).to_have_text("1")
    assert page.locator("#menu-columns").get_attribute("open") is not None
    page.keyboard.press("Escape")
    assert page.locator("#menu-columns").get_attribute("open") is None


def test_rows_keep_their_places_until_sorted_again(page: Page, fleet: Fleet, devices: list[Device]) -> None:
    page.goto(f"/fleets/{fleet.slug}/")
    order = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
    last = Device.objects.get(uuid=order[-1].removeprefix("device-"))
    connectivity.record_heartbeats([last.pk])
    expect(page.locator(f"#device-{last.uuid} .badge-st")).to_have_text("Online (Heartbeat Only)")
    assert page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)") == order
    page.get_by_role("link", name="Sort again").click()
    expect(page.locator("tbody tr").first).to_have_attribute("id", f"device-{last.uuid}")


def test_fleets_keep_their_places_until_sorted_again(page: Page, fleet: Fleet, devices: list[Device]) -> None:
    first = make_fleet(fleet.organization, name="another")
    page.goto("/")
    rows = page.locator(".fleets tbody tr")
    expect(rows.first).to_have_attribute("id", f"fleet-{first.slug}")
    connectivity.record_heartbeats([devices[0].pk])
    expect(page.locator(f"#fleet-{fleet.slug} .c-attn")).to_contain_text("1")
    expect(rows.first).to_have_attribute("id", f"fleet-{first.slug}")
    page.get_by_role("link", name="Sort again").click()
    expect(rows.first).to_have_attribute("id", f"fleet-{fleet.slug}")


def test_a_deleted_device_keeps_its_place(page: Page, fleet: Fleet, devices: list[Device]) -> None:
    page.goto(f"/fleets/{fleet.slug}/?sort=name")
    devices[4].delete()
    expect(page.locator("tbody tr").nth(4)).to_contain_text("No longer here")
    expect(page.locator("tbody tr").nth(5)).to_contain_text(devices[5].name)


def test_unchanged_pages_are_answered_304(page: Page, fleet: Fleet, devices: list[Device]) -> None:
    page.goto("/")
    refreshes = []
    for _ in range(3):  # the first one may still bring the browser's time zone, of which a cookie tells
        with page.expect_response(
            lambda response: response.request.headers.get("hx-target") == "div#live"
        ) as found:
            pass
        refreshes.append(found.value.status)
    assert refreshes[1:] == [304, 304]


def test_the_page_says_when_it_is_not_live_and_recovers(
    page: Page, context: BrowserContext, fleet: Fleet, devices: list[Device]
) -> None:
    page.goto(f"/fleets/{fleet.slug}/")
    expect(page.locator("#live-text")).to_contain_text("Live")
    expect(page.locator("#stale")).to_be_hidden()
    context.set_offline(True)
    expect(page.locator("#live-text")).to_contain_text("Reconnecting")
    expect(page.locator("#stale")).to_be_visible(timeout=30_000)
    expect(page.locator("#live-text")).to_contain_text("Not live")
    expect(page.locator("#announce")).to_contain_text("This page is not live")
    expect(page.locator("tbody tr")).to_have_count(len(devices))
    connectivity.record_heartbeats([devices[0].pk])
    context.set_offline(False)
    page.get_by_role("button", name="Try now").dispatch_event(
        "click"
    )  # it may have recovered by itself by now
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator(f"#device-{devices[0].uuid} .badge-st")).to_have_text("Online (Heartbeat Only)")


def test_a_laptop_that_wakes_shows_that_its_page_is_old_until_it_is_not(
    page: Page, context: BrowserContext, fleet: Fleet, devices: list[Device]
) -> None:
    page.clock.install()
    page.goto(f"/fleets/{fleet.slug}/")
    expect(page.locator("#live-text")).to_contain_text("Live")
    context.set_offline(True)
    connectivity.record_heartbeats([devices[0].pk])
    page.clock.fast_forward("30:00")  # as when the lid was closed
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#live-text")).to_contain_text("Not live")
    with page.expect_response(lambda response: response.request.headers.get("hx-target") == "div#live"):
        context.set_offline(False)  # asks at once, however long it would have waited
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator(f"#device-{devices[0].uuid} .badge-st")).to_have_text("Online (Heartbeat Only)")


def test_a_page_whose_person_signed_out_elsewhere_leads_to_signing_in(page: Page, fleet: Fleet) -> None:
    page.goto(f"/fleets/{fleet.slug}/?sort=name")
    Session.objects.all().delete()
    page.wait_for_url("**/sign-in/?next=%2Ffleets%2F**%3Fsort%3Dname")
    expect(page.locator("#live")).to_have_count(0)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_paused_page_stands_still(page: Page, fleet: Fleet, devices: list[Device]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Pause live updates").click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1200)  # three times it would have asked
    assert {*asked} <= {page.url + "incidents/bell/"}  # which still tells of messages
    connectivity.record_heartbeats([devices[0].pk])
    page.get_by_role("button", name="Resume live updates").click()
    expect(page.locator("#count-heartbeat-only b")).to_have_text("1")


@pytest.mark.thorough
def test_a_deadline_passes_before_the_eye_with_nothing_running(
    page: Page, fleet: Fleet, devices: list[Device]
) -> None:
    moment = clock.now() - timedelta(seconds=1350 + 15 - 4)
    connectivity.record_heartbeats([devices[0].pk], moment)
    page.goto(f"/devices/{devices[0].uuid}/")
    expect(page.locator("#state .badge-st")).to_have_text("Online (Heartbeat Only)")
    expect(page.locator(".next")).to_contain_text("Becomes Offline")
    expect(page.locator("#state .badge-st")).to_have_text("Offline")
    expect(page.locator(".next")).to_be_hidden()  # nothing is near any more: it is folded with the rules
    page.get_by_text("Why this status").click()
    expect(page.locator(".next")).to_contain_text("Stays Offline until it reports")


@pytest.mark.thorough
def test_the_page_says_that_it_is_not_live_while_the_database_does_not_answer(
    page: Page, fleet: Fleet, devices: list[Device]
) -> None:
    def refuse(route: Route) -> None:
        if route.request.headers.get("hx-request") == "true":
            route.fulfill(status=503, headers={"Retry-After": "10"}, body=render_to_string("503.html"))
        else:
            route.continue_()

    page.goto(f"/fleets/{fleet.slug}/")
    expect(page.locator("#live-text")).to_contain_text("Live")
    page.route("**/*", refuse)
    expect(page.locator("#stale")).to_be_visible(timeout=30_000)
    expect(page.locator("tbody tr")).to_have_count(len(devices))
    page.unroute("**/*")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#stale")).to_be_hidden()
