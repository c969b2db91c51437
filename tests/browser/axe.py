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
RUN: Final = """async ({ tags, rules, seen }) => {
  const known = new Set(seen), exclude = [];
  const alike = (html) => html.replace(/[0-9a-f]{12,}|\\d+/g, "0");
  const digest = async (text) => {
    const bytes = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
    return btoa(String.fromCharCode(...new Uint8Array(bytes)));
  };
  const count = (part, state) => part.querySelectorAll(state).length;
  const states = (part) => [":checked", ":hover", ":focus"].map((state) => count(part, state));
  const look = async (parent, around) => {
    const place = `${around} ${parent.tagName}.${parent.className}`;
    for (const part of parent.children) {
      if (!part.childElementCount) continue;
      const key = await digest(`${place} ${alike(part.outerHTML)} ${states(part)}`);
      if (known.has(key)) exclude.push(part);
      else {
        known.add(key);
        await look(part, place);
      }
    }
  };
  await look(document.body, "");
  const runOnly = rules ? { type: "rule", values: rules } : { type: "tag", values: tags };
  const where = { include: [document.documentElement], exclude };
  const found = await axe.run(where, { runOnly, resultTypes: ["violations"], elementRef: false });
  const told = (each) => each.nodes.map((node) => [each.id, node.target.join(" "), node.failureSummary]);
  // What an open menu lies over can be reached once it is closed; what a notice, or the bar of a page
  // that was scrolled, lies over by scrolling.
  const over = window.scrollY > 0 || document.querySelector(".menu[open], .notices > :not([hidden])");
  const covered = (fault) => over && fault[2].includes("partially obscured");
  return { found: found.violations.flatMap(told).filter((fault) => !covered(fault)), seen: [...known] };
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


def violations(page: Page, *rules: str, seen: set[str]) -> list[Any]:
    """What breaks one of these rules, or of all: rule, element, and how to mend it.

    `seen` has what was looked at before, by these rules in this theme: an element that is the same but for
    numbers, in the same surroundings, is left out with all that is in it; what is new is added.

    The source is handed to the page by the debugger, which no content policy stops; it takes its time, so
    that a page which is checked again and again better has it as its initial script.
    """
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(source())
    told = page.evaluate(RUN, {"tags": TAGS, "rules": list(rules) or None, "seen": list(seen)})
    seen.update(told["seen"])
    return list(told["found"])
