"""Bringing a page into the state that a picture shows, by a browser as a person would."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.template.loader import render_to_string
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from devices.rules.vocabulary import Status

ORGANIZATION: Final = "halden-transit"
EMPTY: Final = "aker-ferries"  # an organization that has nothing yet; made on the way
LISTED: Final = re.compile(r'<a class="name"[^>]* href="(/devices/[0-9a-f]{32}/)"')
TRIES: Final = 120  # seconds until some device of a demo is in a status
STALE: Final = 30_000  # ms until a page that misses its refreshes says so


@dataclass(frozen=True)
class Visit:
    """A browser's page, and the account that it may sign in with."""

    page: Page
    user: str
    password: str


Reach = Callable[[Visit], object]


def press(page: Page, button: Locator) -> None:
    """Send a form, and wait for the page that answers it; the script looks at the session before it sends."""
    with page.expect_navigation():
        button.click()


def at(path: str) -> Reach:
    return lambda visit: visit.page.goto(path)


def clicked(path: str, *selectors: str) -> Reach:
    """Open the page at this address and click these elements, one after the other."""

    def reach(visit: Visit) -> None:
        visit.page.goto(path)
        for selector in selectors:
            visit.page.locator(selector).first.click()

    return reach


def incident_opened(visit: Visit) -> None:
    """Open a line of several devices on the Attention page, as soon as the demo has one."""
    group = visit.page.locator(".c-what details summary").first
    for _ in range(60):
        visit.page.goto("/attention/")
        if group.is_visible():
            break
        visit.page.wait_for_timeout(3000)
    group.click()


def incident(visit: Visit) -> None:
    """The newest incident, open or over; a demo brings one about within six minutes."""
    newest = visit.page.locator(".incidents .what").first
    for attempt in range(TRIES):
        visit.page.goto(f"/incidents/{'?state=over' if attempt % 2 else ''}")
        if newest.is_visible():
            newest.click()
            return
        visit.page.wait_for_timeout(3000)


def rule_rehearsed(visit: Visit) -> None:
    """The page of the rule "Lost together", with what it would have told over a week."""
    page = visit.page
    page.goto(f"/settings/{ORGANIZATION}/alert-rules/")
    page.locator(".own-list a", has_text="Lost together").first.click()
    page.get_by_role("link", name="Rehearse the last 7 days").click()


def sent(path: str, fields: dict[str, str], button: str) -> Reach:
    """Fill in a form and send it; its fields are named by labels or, if they begin with [, by selectors."""

    def reach(visit: Visit) -> None:
        page = visit.page
        page.goto(path)
        for name, value in fields.items():
            (page.locator(name) if name[0] == "[" else page.get_by_label(name, exact=True)).fill(value)
        press(page, page.get_by_role("button", name=button).first)

    return reach


# Devices


def opened(visit: Visit, status: str, query: str = "") -> str:
    """Open the Device Summary of a device in this status as soon as there is one, and return its address."""
    visit.page.goto((address := one_in(visit, status)) + query)
    return address


def one_in(visit: Visit, status: str) -> str:
    """The address of a device in this status, from a list that is requested but not shown."""
    for _ in range(TRIES):
        answer = visit.page.request.get(f"/devices/?status={status}&sort=name")
        if found := LISTED.search(answer.text()):
            return found[1]
        visit.page.wait_for_timeout(1000)
    raise AssertionError(f"no device is {status}")


def device(status: str, query: str = "") -> Reach:
    return lambda visit: opened(visit, status, query)


def asked_of(status: str, what: str) -> Reach:
    """Open the page that asks for confirmation of an action on a device in this status."""

    def reach(visit: Visit) -> None:
        visit.page.goto(opened(visit, status) + what)

    return reach


def acted(status: str) -> Reach:
    """Open the menu of actions of a device in this status."""

    def reach(visit: Visit) -> None:
        opened(visit, status)
        visit.page.locator("#menu-actions summary").click()

    return reach


def edited(field: str) -> Reach:
    def reach(visit: Visit) -> None:
        opened(visit, Status.INACTIVE)
        visit.page.locator(f"#edit-{field}").click()
        expect(visit.page.locator(f"#id_{field}, #id_every").first).to_be_visible()

    return reach


def conflicted(visit: Visit) -> None:
    """Edit the same note in two tabs, so that the slower one shows both texts."""
    address = opened(visit, Status.INACTIVE)
    other = visit.page.context.new_page()
    visit.page.locator("#edit-notes").click()
    visit.page.locator("#id_notes").fill("Spare part ordered, arrives on Friday.")
    other.goto(f"{address}notes/")
    other.locator("#id_notes").fill("Taken home to the workshop.")
    press(other, other.get_by_role("button", name="Save"))
    other.close()
    visit.page.get_by_role("button", name="Save").click()
    expect(visit.page.get_by_text("Nothing was saved.")).to_be_visible()


# Lists


def ticked(path: str, button: str = "", *, matching: bool = False) -> Reach:
    """Select three devices, or all that match, and press one of the buttons for them."""

    def reach(visit: Visit) -> None:
        page = visit.page
        page.goto(path)
        for box in page.locator('input[name="sel"]').all()[:3]:
            box.check()
        if matching:
            page.locator("#select-matching").check()
        if button:
            press(page, page.get_by_role("button", name=button))

    return reach


def tagged(words: str, *, done: bool) -> Reach:
    """The preview of adding a tag to all matching devices, or its result."""

    def reach(visit: Visit) -> None:
        ticked("/devices/?status=inactive", "Tag…", matching=True)(visit)
        visit.page.get_by_label("Add").fill(words)
        press(visit.page, visit.page.get_by_role("button", name="Show what changes"))
        if done:
            press(visit.page, visit.page.get_by_role("button", name="Tag", exact=False).last)
            visit.page.wait_for_timeout(2500)  # the job runs, and the page has asked again

    return reach


def hovered(visit: Visit) -> None:
    visit.page.goto("/devices/")
    visit.page.locator("tbody .conn").nth(1).hover()


def viewed(visit: Visit) -> None:
    """A saved view, which is created first."""
    sent("/devices/views/new/?status=offline", {"Name": "Lost in the harbour"}, "Save the view")(visit)
    visit.page.goto("/devices/views/")


def opened_and_changed(visit: Visit) -> None:
    """The list of the saved view in another order."""
    visit.page.goto("/devices/views/")
    press(visit.page, visit.page.locator(".own-view > a").first)
    visit.page.goto(f"{visit.page.url}&sort=name")


def updated_late(visit: Visit) -> None:
    """Save the list in the view as if somebody else had changed the view meanwhile."""
    opened_and_changed(visit)
    visit.page.locator(".views [name=seen]").evaluate("field => field.value = 'older'")
    press(visit.page, visit.page.get_by_role("button", name="Update Lost"))


def given(lines: str, *, confirmed: bool = False) -> Reach:
    """Upload a file of devices; `confirmed`: and confirm its preview."""

    def reach(visit: Visit) -> None:
        page = visit.page
        page.goto(f"/fleets/{EMPTY}/preregister/file/")
        file = FilePayload(name="ferries.csv", mimeType="text/csv", buffer=lines.encode())
        page.locator("#id_file").set_input_files(file)
        press(page, page.get_by_role("button", name="Read the file"))
        if confirmed:
            press(page, page.locator("main form button.btn-ink"))

    return reach


def finished(visit: Visit) -> None:
    """The newest job of the empty organization, once it has ended."""
    visit.page.goto(f"/settings/{EMPTY}/jobs/")
    visit.page.locator("main table .name").first.click()
    expect(visit.page.locator('.job[data-job="done"]')).to_be_visible(timeout=120_000)


# Live


def paused(visit: Visit) -> None:
    visit.page.goto("/")
    visit.page.get_by_role("button", name="Pause live updates").click()


def stale(visit: Visit) -> None:
    visit.page.goto("/")
    visit.page.context.set_offline(True)
    expect(visit.page.locator("#stale")).to_be_visible(timeout=STALE)


# Errors


def rendered(template: str) -> Reach:
    """A page that no visitor can cause, rendered as the site would."""

    def answer(route: Route) -> None:
        route.fulfill(body=render_to_string(template), content_type="text/html")

    def reach(visit: Visit) -> None:
        visit.page.route("**/as-rendered/", answer)
        visit.page.goto("/as-rendered/")

    return reach


def outlived(visit: Visit) -> None:
    """Send a form without its CSRF cookie, and past the script, which would notice that."""
    visit.page.goto("/organizations/new/")
    visit.page.context.clear_cookies(name="csrftoken")
    visit.page.locator("#id_name").fill("Never made")
    with visit.page.expect_navigation():
        visit.page.locator("main form").evaluate("form => form.submit()")


def unsubscribed(visit: Visit) -> None:
    """A page that says what a link in a mail has ended, put into this page alone."""
    at("/")(visit)
    said = ["You receive no more e-mail about the rule Offline of Halden Transit."]
    notice = render_to_string("parts/unsubscribed.html", {"user": {"unsubscribed": said}})
    main = visit.page.locator("#main")
    main.evaluate("(main, html) => main.insertAdjacentHTML('afterbegin', html)", notice)


def signed_out(visit: Visit) -> None:
    """An editor whose session has ended, simulated in this page alone, as others use the session."""
    edited("notes")(visit)
    visit.page.locator("#id_notes").fill("Spare part ordered, arrives on Friday.")
    nobody = {"person": "", "name": "", "token": ""}
    visit.page.route("**/session/", lambda route: route.fulfill(json=nobody))
    visit.page.get_by_role("button", name="Save").click()
    expect(visit.page.locator("#session")).to_be_visible()
    visit.page.unroute("**/session/")
