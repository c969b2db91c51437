"""Incidents in a browser, by keyboard: the bell, the incident, taking it on, muting it."""

from __future__ import annotations

import re
from typing import Final

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dashboard.models import User
from devices import clock
from devices.models import Incident, LastRead, Mute
from tests.browser.axe import violations
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.incidents import MINUTE, hold, make_incident, make_rule, page_of, put_in, tell

pytestmark = pytest.mark.django_db(transaction=True)

PHONE: Final = {"width": 390, "height": 844}


@pytest.fixture
def mia(context: BrowserContext) -> User:
    person = make_member(make_organization(), username="mia")
    sign_in(context, person)
    return person


@pytest.fixture
def incident(mia: User) -> Incident:
    """One that the page was told of, with six devices at one address."""
    organization = mia.memberships.get().organization
    fleet = make_fleet(organization, name="kiosks", slug="kiosks")
    found = make_incident(organization, clock.now() - 4 * MINUTE, now=6, at_most=6)
    devices = [make_device(fleet, name=f"kiosk-{n}", public_address="203.0.113.7") for n in range(6)]
    put_in(found, devices, make_rule(organization))
    tell(found, page_of(organization), clock.now())
    return found


def test_by_keyboard_from_the_bell_to_who_takes_it_on(page: Page, mia: User, incident: Incident) -> None:
    page.goto("/")
    bell = page.locator("#unread summary")
    expect(bell).to_have_text(re.compile(r"Messages\s*, unread:\s*1"))
    bell.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".unread-n")).to_have_count(0)
    message = page.locator("#unread").get_by_role("link", name="Summary 1")
    expect(message).to_be_visible()
    page.keyboard.press("Tab")
    expect(message).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("6 devices at 203.0.113.7 lost the VPN")
    assert LastRead.objects.get(person=mia).message_id == page_of(incident.organization).messages.get().pk
    page.get_by_label("Note (optional)").focus()
    page.keyboard.type("On my way")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Acknowledged by mia")
    incident.refresh_from_db()
    assert incident.acknowledged_note == "On my way"


def test_by_keyboard_it_is_muted_for_everybody(page: Page, incident: Incident) -> None:
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.get_by_role("link", name=re.compile("lost the VPN")).press("Enter")
    page.locator("#mute summary").press("Enter")
    page.get_by_label("Everybody").press("Space")
    page.locator("#mute").get_by_label("Note").fill("Rewired until tonight")
    page.locator("#mute").get_by_role("button", name="Mute").press("Enter")
    expect(page.get_by_text("muted it for everybody").first).to_be_visible()
    assert Mute.objects.get().note == "Rewired until tonight"


def test_a_new_message_is_counted_and_said(page: Page, incident: Incident) -> None:
    page.goto("/incidents/")
    expect(page.locator(".unread-n")).to_contain_text("1")
    tell(incident, page_of(incident.organization), clock.now())
    Incident.objects.filter(pk=incident.pk).update(now=9, at_most=9)
    expect(page.locator(".unread-n")).to_contain_text("2")
    expect(page.locator("#announce")).to_contain_text("2 unread messages")


@pytest.mark.thorough
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE])
def test_the_pages_can_be_used_by_everybody(
    page: Page, incident: Incident, scheme: str, size: dict[str, int]
) -> None:
    hold(incident, page_of(incident.organization), clock.now())
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size(size)  # type: ignore[arg-type]
    for path in ("/incidents/", f"/incidents/{incident.uuid}/"):
        page.goto(path)
        page.locator("#unread summary").click()
        expect(page.locator("#unread").get_by_role("link", name="Summary 1")).to_be_visible()
        assert violations(page, seen=set()) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
