"""One word that is as long as may be, wherever people and devices write: no page is wider than its window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from devices.models import Device
from fleets.models import Fleet, Invitation, Organization
from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import addresses
from tests.access.world import World, make_world
from tests.at_once import at_once
from tests.security.hostile import make_hostile, write

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db(transaction=True)

WORD: Final = "W" * 300  # the widest letter; cut to what a field may hold
SLUG: Final = "w" * 100
WIDTHS: Final = (320, 390, 768, 1440)
OWN: Final = [address for address in addresses() if not address.route.startswith("admin/")]
FILES: Final = {"devices:csv", "devices:json", "devices:changes-csv", "fleets:audit-csv", "fleets:audit-json"}
# 100 letters without a space, the widest of each script.
SCRIPTS: Final = {
    "Han": "龘" * 100,
    "Hangul": "쀍" * 100,
    "Arabic": "ض" * 100,
    "Devanagari": "क्षि" * 25,
    "Thai": "ฌ" * 100,
    "Cyrillic": "Щ" * 100,
}
TAGS: Final = {f"a-rather-long-key-{number:02}": "W" * 60 for number in range(40)}
ADDRESSES: Final = [f"2001:db8:85a3:8d3:1319:8a2e:370:{number}" for number in range(7000, 7008)]
NAMED: Final = (
    *(
        "/",
        "/devices/",
        "/devices/?columns=os&columns=tags&columns=ip&columns=notes",
        "{device}",
        "/attention/",
    ),
    *(
        "/fleets/{slug}/",
        "/fleets/{slug}/settings/",
        "/settings/{organization}/",
        "/settings/{organization}/fleets/",
    ),
)
# What is there only once it was asked for: the page, and what is clicked on it.
OPENED: Final = {
    "a menu of organizations": ("/", ["details.menu.org summary"]),
    "an account": ("/", ["summary.avatar-btn"]),
    "a name that is edited": ("{device}", ["#edit-name"]),
    "tags that are edited": ("{device}", ["#edit-tags"]),
    "notes that are edited": ("{device}", ["#edit-notes"]),
    "actions": ("{device}", ["#menu-actions summary"]),
    "ticked rows": ("/devices/", ["input[name=sel]"]),
    "filters": ("/devices/?type={word}&tag={word}&q={word}", ["#menu-tags summary"]),
    "all columns": ("/devices/?columns=os&columns=tags&columns=ip&columns=notes&columns=release", []),
    "devices of the past": ("/devices/?at=2026-01-01T12:00", []),
    "fleets of the past": ("/?at=2026-01-01T12:00", []),
    "incidents": ("/attention/", []),
    "an audit log": ("/settings/{organization}/audit/?who={word}", []),
}


@pytest.fixture
def world() -> World:
    """Made of long words, and at long addresses."""
    world = make_world()
    make_hostile(WORD)
    Organization.objects.filter(slug="ours").update(slug=SLUG)
    Fleet.objects.filter(slug="kiosks").update(slug=SLUG)
    Invitation.objects.update(email=f"{'w' * 64}@{'w' * 63}.{'w' * 63}.example")
    world.facts.update(organization=SLUG, slug=SLUG, device_name=Device.objects.get(fleet__slug=SLUG).name)
    return world


@pytest.fixture
def asks_every() -> int:
    """Nothing changes while it is looked at."""
    return 60_000


@pytest.fixture
def page(context: BrowserContext, world: World) -> Page:
    enter(context, world)
    return context.new_page()


@pytest.fixture
def still(browser: Browser, base_url: str, world: World) -> Iterator[Page]:
    """A page without scripts: nothing is asked for meanwhile."""
    context = browser.new_context(base_url=base_url, java_script_enabled=False)
    enter(context, world)
    yield context.new_page()
    context.close()


def enter(context: BrowserContext, world: World) -> None:
    world.client(Who.OWNER)
    origin = context.request.get("/sign-in/").url.removesuffix("sign-in/")
    context.add_cookies([{"name": "sessionid", "value": world.cookies[Who.OWNER], "url": origin}])


def test_the_pages_that_people_are_on_most_are_not_wider_than_their_window(still: Page, world: World) -> None:
    assert wide_of_named(still, world) == {}


@pytest.mark.thorough
def test_no_page_is_wider_than_its_window(still: Page, world: World) -> None:
    wide = {}
    for address in OWN:
        if address.name not in FILES and PAGES[address.name].get[Who.OWNER] == 200:
            still.goto(address.path(world))
            wide[address.name] = too_wide(still)
    assert [f"{name} {found}" for name, found in wide.items() if found] == []


@pytest.mark.thorough
def test_nothing_that_opens_or_is_answered_is_wider_than_its_window(
    page: Page, still: Page, world: World
) -> None:
    wide = {}
    for name, (address, clicks) in OPENED.items():
        device = f"/devices/{world.facts['uuid']}/"
        page.set_viewport_size({"width": 1440, "height": 800})
        page.goto(address.format(device=device, word=WORD[:100], organization=SLUG))
        for selector in clicks:
            page.locator(selector).first.click()
        if "edited" in name:
            expect(page.locator(".in-place")).to_be_visible()
        wide[name] = too_wide(page)
    for name, response in answers(world):
        show(still, response)
        wide[f"{name}, answered"] = too_wide(still)
    assert [f"{name} {found}" for name, found in wide.items() if found] == []


@pytest.mark.thorough
def test_names_of_any_script_with_many_tags_and_addresses_stay_inside(still: Page, world: World) -> None:
    Device.objects.update(tags=TAGS, ip_addresses=ADDRESSES, public_address=ADDRESSES[0])
    wide = {}
    for script, name in SCRIPTS.items():
        for model in (Organization, Fleet, Device):
            write(model, name, "name")
        Device.objects.update(notes=name, os_version=name, release=name)
        wide[script] = wide_of_named(still, world)
    assert {script: found for script, found in wide.items() if found} == {}


def wide_of_named(page: Page, world: World) -> dict[str, list[str]]:
    """Those of the pages that people are on most that scroll sideways, and at which widths."""
    wide = {}
    for path in NAMED:
        page.goto(path.format(device=f"/devices/{world.facts['uuid']}/", slug=SLUG, organization=SLUG))
        wide[path] = too_wide(page)
    return {path: found for path, found in wide.items() if found}


def answers(world: World) -> Iterator[tuple[str, Response]]:
    """What forms answer that were filled in with long words, and as they should be."""
    for address in OWN:
        row = PAGES[address.name]
        said = {name: text.format(**world.facts) for name, text in row.data.items()}
        for data in (dict.fromkeys(said, WORD), said):
            if data and not row.signs_out:
                response = posted(partial(world.client(Who.OWNER, row).post, address.path(world), data))
                if response.content and response["Content-Type"].startswith("text/html"):
                    yield address.name, response


def posted(call: Callable[[], Response]) -> Response:
    """What a form answers, in a thread: some ask a source in an event loop, and this one runs the browser."""
    [response] = at_once(call)
    if isinstance(response, Exception):
        raise response
    return cast("Response", response)


def show(page: Page, response: Response) -> None:
    def fulfil(route: Route) -> None:
        route.fulfill(body=response.content, content_type="text/html")

    page.route("**/as-answered/", fulfil)
    page.goto("/as-answered/")
    page.unroute("**/as-answered/")


def too_wide(page: Page) -> list[str]:
    """At which widths it scrolls sideways, and what sticks out."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        if culprits := page.evaluate(STICKS_OUT, width):
            found.append(f"{width}: {culprits}")
    return found


STICKS_OUT: Final = """width => {
  if (document.documentElement.scrollWidth <= width) return "";
  const isOut = one => one.getBoundingClientRect().right > width + 1;
  const out = [...document.querySelectorAll("body *")].filter(isOut);
  const name = one => `${one.tagName.toLowerCase()}.${one.getAttribute("class")}`;
  return `${document.documentElement.scrollWidth} px: ` + out.slice(0, 4).map(name).join(" ");
}"""
