"""Words of one's own for the messages of a rule: named values in braces, no expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

NAMES: Final = (
    *("count", "of", "cause", "since", "forecast", "url", "summary", "state", "severity", "rule", "runbook"),
)
LISTED: Final = ", ".join(f"{{{name}}}" for name in NAMES)
MOST_OF_SUBJECT: Final = 200  # characters
MOST_OF_TEXT: Final = 2000
NAMED: Final = re.compile(r"\{([^{}]*)\}")


def fault(words: str) -> str:
    """Which name or brace in these words means nothing, and which names do, as a sentence; "": none."""
    wrong = [f"{{{name}}}" for name in NAMED.findall(words) if name not in NAMES]
    wrong += [mark for mark in NAMED.sub("", words) if mark in "{}"]
    return f"{wrong[0]} means nothing here. These names do: {LISTED}." if wrong else ""


def filled(words: str, values: Mapping[str, str]) -> str:
    """The words with these values by name, which are not read for further names."""
    return NAMED.sub(lambda found: values[found[1]], words)
