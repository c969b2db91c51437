"""A real browser against a live site: Debian's Chromium, driven by Playwright, under the strict policy."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from dashboard.models import User

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Runs before the page's own script: milliseconds between two refreshes while no event stream is open.
ASK_EVERY = """document.addEventListener("readystatechange", () => {{
  for (const region of document.querySelectorAll("[data-every]")) region.dataset.every = "{}";
}})"""
# The first draws the same pages without the windows around them, in a third of the time of the others.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="package")  # not longer: its event loop is in the way of other tests
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        missing = f"no Chromium in PATH (looked for {', '.join(NAMES)}): browser tests not run"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    # Playwright's synchronous driver keeps an event loop in this thread, which Django takes for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
            yield chromium
            chromium.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def base_url(live_server: LiveServer) -> str:
    """The address of the site's pages; modules that need the calls of devices too start their own site."""
    return str(live_server.url)


@pytest.fixture
def asks_every() -> int:
    """Milliseconds between two refreshes of a live page: few, as many tests wait for one."""
    return 400


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """Errors of pages and warnings of the browser; the test fails if there are any."""
    faults: list[str] = []
    yield faults
    assert not faults


@pytest.fixture
def context(browser: Browser, base_url: str, asks_every: int, faults: list[str]) -> Iterator[BrowserContext]:
    """A fresh browser profile, which collects the errors of its pages in `faults`."""
    context = browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(15_000)
    context.add_init_script(ASK_EVERY.format(asks_every))
    expect.set_options(timeout=15_000)  # the machine may be busy
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
    yield context
    context.close()


# Console messages about the network, not the page: failed answers, an unreachable site, a page that was left,
# an answer that did not come in time.
OF_THE_NETWORK = ("Failed to load resource", "htmx: htmx:error: Failed to fetch", "htmx: htmx:error: timeout")


def is_fault(message: ConsoleMessage) -> bool:
    """Whether a message of the console is a warning or error about the page, not about the network."""
    return message.type in {"warning", "error"} and not message.text.startswith(OF_THE_NETWORK)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def sign_in(context: BrowserContext, user: User) -> None:
    """Give the browser a session of this person."""
    client = Client()
    client.force_login(user)
    origin = context.request.get("/sign-in/").url  # a cookie needs an address, and this page is for everybody
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": origin.removesuffix("sign-in/")}])
