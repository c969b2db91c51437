"""The checker axe-core, in the page that a browser shows."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page

PEER: Final = Path(__file__).parent / "peer"
SOURCE: Final = PEER / "node_modules" / "axe-core" / "axe.min.js"
# Everything of WCAG 2.0 to 2.2, A and AA, and what is good practice beside it.
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN: Final = """async ({ tags, rules }) => {
  const runOnly = rules ? { type: "rule", values: rules } : { type: "tag", values: tags };
  const found = await axe.run(document, { runOnly, resultTypes: ["violations"], elementRef: false });
  const told = (each) => each.nodes.map((node) => [each.id, node.target.join(" "), node.failureSummary]);
  // What an open menu lies over can be reached once it is closed; what a notice, or the bar of a page
  // that was scrolled, lies over by scrolling.
  const over = window.scrollY > 0 || document.querySelector(".menu[open], .notices > :not([hidden])");
  const covered = (fault) => over && fault[2].includes("partially obscured");
  return found.violations.flatMap(told).filter((fault) => !covered(fault));
}"""


@cache
def source() -> str:
    """The package; without it these tests are skipped, or fail where peers are required."""
    if not SOURCE.is_file():
        missing = f"run npm ci in {PEER} first: accessibility not checked"
        if os.environ.get("REQUIRE_PEERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return SOURCE.read_text()


def violations(page: Page, *rules: str) -> list[Any]:
    """What breaks one of these rules, or of all: rule, element, and how to mend it.

    The source is handed to the page by the debugger, which no content policy stops; it takes its time, so
    that a page which is checked again and again better has it as its initial script.
    """
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(source())
    return list(page.evaluate(RUN, {"tags": TAGS, "rules": list(rules) or None}))
