"""Pages of a source and of what is read from it: of a demo, of a server that answers as a real one did."""

from __future__ import annotations

import re
from typing import Final

from tests.devices.sources.api import TOKEN, BalenaApi, serving
from tests.pictures.reach import ORGANIZATION, Reach, Visit, sent

SOURCES: Final = f"/settings/{ORGANIZATION}/sources/"
FLEET: Final = "/fleets/admin-pumps/"
SILENT_FLEET: Final = "/fleets/admin-kiosks/"  # of a demo all fleets are of one source, which falls silent
# What the list says of a source that is read, of one that is not at the moment, and of one that is silent.
WELL: Final = re.compile(r"Read at [\d:]+\.\s*$")
FAILING: Final = re.compile(r"Read at [\d:]+\.\s+The last attempt failed:")
SILENT: Final = re.compile("It has not been read since")
TRIES: Final = 150  # looks at the list, 2 s apart, until it says so


def added(visit: Visit) -> None:
    """Add a source, and end its server once it was read: from then on it fails, and 3 min later is silent."""
    with serving(BalenaApi()) as api:
        filled = {"Name": "Harbour", "Address of the API": api.address, "API key": TOKEN}
        sent(SOURCES, filled, "Check and add the source")(visit)
        _found(visit, WELL)


def source(said: re.Pattern[str]) -> Reach:
    """The page of the source of which the list says this, as soon as it does."""

    def reach(visit: Visit) -> None:
        _found(visit, said)
        visit.page.locator(".own-list a", has_text=said).first.click()

    return reach


def device(what: str = "") -> Reach:
    """A device of the fleet that is read from the source, or the page of an action on it."""

    def reach(visit: Visit) -> None:
        page = visit.page
        page.goto(FLEET)
        address = page.locator("tbody a.name").first.get_attribute("href")
        page.goto(f"{address}{what}")

    return reach


def _found(visit: Visit, said: re.Pattern[str]) -> None:
    for _ in range(TRIES):
        visit.page.goto(SOURCES)
        if visit.page.locator(".own-list a", has_text=said).count():
            return
        visit.page.wait_for_timeout(2000)
    raise AssertionError(f"no source says {said.pattern}")
