"""Every page and state that there is a picture of, held to what must hold everywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize

from dashboard.demo import site as demo
from dashboard.models import User
from devices import clock, connectivity
from devices.models import AlertRule, Device
from fleets.models import Fleet, Organization
from tests.browser.axe import source, violations
from tests.browser.conftest import sign_in
from tests.factories import make_device, make_fleet, make_member
from tests.incidents import make_incident, page_of, put_in, tell
from tests.mirrors import mirror
from tests.pages import make_every_status
from tests.pictures import states
from tests.pictures.reach import Visit

pytestmark = pytest.mark.django_db(transaction=True)

# Several, so that they can be walked at the same time; what changes something stays together.
WALKS: Final = {
    "signing in": states.SIGNING_IN,
    "fleets": (*states.FLEETS, *states.ERRORS),
    "devices": states.DEVICES,
    "summary": states.SUMMARY,
    "settings": states.OURS,
    "account": states.ACCOUNT,
    "changes": states.CHANGES,
    "mirrored": states.MIRRORED,
}
# Looked at in every run: the pages that people are on most, and one of each kind.
FEW: Final = {"sign-in", "fleets", "attention", "devices-filtered", "device-online", "incident", "invite"}
WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
WIDTHS: Final = (1440, 1024, 820, 390, 320)
# What a narrow page may break that a wide one keeps to.
NARROW: Final = ("target-size", "link-name", "button-name", "label", "scrollable-region-focusable")
BUSY: Final = {
    "os_version": "A rather long name of an operating system 12.8 (extended)",
    "release": "2.14.0-rc1+build.20261122",
    "ip_addresses": ["fd12:3456:789a:1::1", "10.20.4.17"],
    "public_address": "2001:db8:85a3:8d3:1319:8a2e:370:7348",
    "tags": {"site": "a long name of a site", "line": "1"},
    "notes": "Unbroken" * 30,
}


@pytest.fixture
def asks_every() -> int:
    """Nothing changes while it is looked at."""
    return 60_000


@pytest.fixture
def account(tmp_path: Path) -> demo.Account:
    """The demo's organization, with long names, a device in each status, and some that were lost together."""
    account = demo.make(tmp_path / "demo.json")
    Fleet.objects.update(poll_interval=900)  # nothing changes by the clock while it is looked at
    Organization.objects.update(name="An organization with quite a long name for a phone")
    fleet = Fleet.objects.get(slug="station-kiosks")
    Fleet.objects.filter(pk=fleet.pk).update(name="a-fleet-with-quite-a-long-name-for-a-phone")
    make_every_status(fleet)
    long = "a-rather-long-name-of-a-person@long.example.com"
    make_member(fleet.organization, username="a-rather-long-name-of-a-person", email=long)
    lost = [make_device(fleet, name=f"a-device-with-quite-a-long-name-{n}") for n in range(6)]
    at, uuids = clock.now() - timedelta(minutes=2), [device.uuid for device in lost]
    connectivity.vpn_connected("vpn-9", uuids, at)
    connectivity.record_heartbeats([device.pk for device in lost], at)
    connectivity.vpn_disconnected("vpn-9", uuids, at + timedelta(minutes=1))
    server = "a-server-with-quite-a-long-name-" * 3
    connectivity.vpn_alive(server, at=at, boot="b" * 60, organization=fleet.organization)
    Device.objects.filter(fleet=fleet, is_active=True).update(**BUSY)
    incident = make_incident(fleet.organization, at, key="2001:db8:85a3:8d3:1319:8a2e:370:7348")
    put_in(incident, lost, AlertRule.objects.filter(organization=fleet.organization).earliest("pk"))
    tell(incident, page_of(fleet.organization), at)
    make_sources(fleet.organization, at)
    over = {"state": "resolved", "resolved_at": at, "now": 0}
    make_incident(fleet.organization, at - timedelta(hours=1), **over)
    return account


def make_sources(organization: Organization, at: datetime) -> None:
    """One that is read, one that fails, and one that is silent, with a device each, the last ones by name."""
    error = "It did not answer the whole of a rather long question within the time that it had."
    for name, slug, fields in (
        ("Harbour", "admin-pumps", {"swept_at": at + timedelta(minutes=2)}),
        ("Ferries", "admin-old-signs", {"swept_at": at + timedelta(minutes=2), "error": error}),
        ("Depot", "admin-kiosks", {"swept_at": at - timedelta(hours=1), "error": error}),
    ):
        fleet = make_fleet(organization, slug=slug, name=f"{slug} of a source")
        links = {"heartbeat_state": "recent", "heartbeat_changed_at": at, "last_contact_at": at}
        read = make_device(fleet, name=f"zz-of-a-source-with-quite-a-long-name-{slug}", **links)
        mirror(read, name=name, refused_uuids=["b" * 62], **fields)


@pytest.mark.thorough
@pytest.mark.parametrize("walk", WALKS)
def test_everybody_can_use_every_page_and_it_fits(
    context: BrowserContext, account: demo.Account, walk: str
) -> None:
    """axe-core finds nothing, in both themes and on a phone; nothing scrolls sideways, down to 320 px."""
    assert wrong_with(WALKS[walk], context, account) == {}


def test_everybody_can_use_the_pages_that_people_are_on_most(
    context: BrowserContext, account: demo.Account
) -> None:
    few = [state for walk in WALKS.values() for state in walk if state.name in FEW]
    assert {state.name for state in few} == FEW
    assert wrong_with(few, context, account) == {}


def wrong_with(
    walk: Iterable[states.State], context: BrowserContext, account: demo.Account
) -> dict[str, list[Any]]:
    """What is wrong with each of these states, by its name, of those with which something is."""
    user, inside, wrong = User.objects.get(username=account.user), False, {}
    seen: dict[str, set[str]] = defaultdict(set)
    page = context.new_page()  # one for all: it has the checker from the start
    page.add_init_script(source())
    for state in walk:
        if state.only_in_a_demo:
            continue
        if state.signed_in != inside:
            page.goto("about:blank")  # what is live would notice
            context.clear_cookies()
            if state.signed_in:
                sign_in(context, user)
            inside = state.signed_in
        page.set_viewport_size(WIDE)
        state.reach(Visit(page, account.user, account.password))
        wrong[state.name] = faults(page, seen)
    return {name: found for name, found in wrong.items() if found}


def faults(page: Page, seen: dict[str, set[str]]) -> list[Any]:
    """Of what earlier pages of the walk did not show already."""
    page.emulate_media(color_scheme="dark")
    found = violations(page, "color-contrast", seen=seen["dark"])
    page.emulate_media(color_scheme="light")
    found += violations(page, seen=seen["light"])
    if not page.title().partition(" · ")[0].strip() or not page.title().endswith(" · Lookout"):
        found.append(f"titled {page.title()}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            found.append(f"{wide} px wide at {width}")
    return found + violations(page, *NARROW, seen=seen["narrow"])
