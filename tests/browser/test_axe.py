"""The checker of accessibility leaves out what it has looked at, and nothing else."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page

from tests.browser.axe import violations

pytestmark = pytest.mark.django_db(transaction=True)

ROWS: Final = "<table><tr><td><i></i>1 device</table>"
GREY: Final = ROWS.replace("<td>", "<td style='color: #ccc'>")


def test_what_is_the_same_is_checked_once_and_what_differs_each_time(page: Page) -> None:
    seen: set[str] = set()

    def found(body: str) -> int:
        page.route("**/plain/", lambda route: route.fulfill(body=body, content_type="text/html"))
        page.goto("/plain/")
        return len(violations(page, "color-contrast", seen=seen))

    assert found(ROWS) == 0
    assert found(f"<main>{GREY}</main>") == 1
    assert found(f"<main>{GREY.replace('1', '2')}</main>") == 0  # but for a number the same
    assert found(f"<main class='other'>{GREY}</main>") == 1
    assert found(f"<main>{GREY.replace('1', 'a')}</main>") == 1
