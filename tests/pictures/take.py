"""Taking the pictures: each state is reached once, and shown in both themes and three widths."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.pictures.reach import Visit
from tests.pictures.signing_in import signed
from tests.pictures.states import State

THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
WIDTHS: Final = {1440: 900, 768: 1024, 390: 844}
DOCS: Final = Path("docs/pictures")
# What README and docs show, and how wide.
CHOSEN: Final = {
    "fleets": 1440,
    "devices": 1440,
    "device-offline": 1440,
    "attention": 1440,
    "device-heartbeat-only": 390,
    "devices-ticked": 390,
}


def take(states: list[State], to: Path, url: str, account: Mapping[str, str]) -> dict[str, str]:
    """Take pictures of these states of the demo at this address; returns the failures by state."""
    faults: dict[str, str] = {}
    to.mkdir(parents=True, exist_ok=True)
    user, password = account["user"], account["password"]
    with a_browser() as browser:
        inside, outside = (browser.new_context(base_url=url, locale="en-GB") for _ in range(2))
        signed(Visit(inside.new_page(), user, password), password)
        for each in states:
            context = inside if each.signed_in else outside
            page = context.new_page()
            page.set_viewport_size({"width": 1440, "height": 900})
            try:
                each.reach(Visit(page, user, password))
                shoot(page, each, to)
            except (Error, AssertionError) as error:
                faults[each.name] = str(error).partition("\n")[0]
                page.screenshot(path=to / f"{each.name}-fault.png")
            finally:
                context.set_offline(offline=False)
                page.close()
    write_index(to, [each for each in states if each.name not in faults])
    return faults


@contextmanager
def a_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        yield browser
        browser.close()


def shoot(page: Page, state: State, to: Path) -> None:
    page.evaluate("document.fonts.ready.then(() => scrollTo(0, 0))")
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=to / file_of(state.name, width, theme), full_page=True)
            if CHOSEN.get(state.name) == width:
                keep(page, DOCS / f"{state.name}-{theme}.webp")


def file_of(name: str, width: int, theme: str) -> str:
    return f"{name}-{width}-{theme}.png"


def keep(page: Page, path: Path) -> None:
    """Write the visible part of a page to a WebP file, a quarter as large as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": 76})
    path.write_bytes(base64.b64decode(taken["data"]))
    session.detach()


def write_index(to: Path, states: list[State]) -> None:
    """Write an HTML page that shows all pictures."""
    rows = (
        f"<h2>{escape(each.name)}</h2>"
        + "".join(
            f'<a href="{file}"><img src="{file}" alt="" width="{width // 3}" loading="lazy"></a> '
            for width in WIDTHS
            for file in (file_of(each.name, width, theme) for theme in THEMES)
        )
        for each in states
    )
    (to / "index.html").write_text("<!doctype html><title>Pictures</title>" + "\n".join(rows))
