"""The columns of the Devices page that a person chooses; name, status and both links are always there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.conf import settings

# In the order they stand in; the words are those of the heads.
WORDS: Final = {
    "fleet": "{fleet}",
    "contact": "Last contact",
    "release": "Release",
    "os": "OS version",
    "tags": "Tags",
    "ip": "IP address",
    "type": "Type",
    "supervisor": "Supervisor",
    "notes": "Notes",
    "added": "Added",
}
DEFAULT: Final = ("fleet", "contact", "release", "os", "tags", "ip")
MOST: Final = 6  # more would not leave a readable width to each
ALWAYS: Final = "status"  # in an address: none but those that are always there


def column_words() -> dict[str, str]:
    """Every column that can be chosen, with the word that the site has for fleets."""
    return {name: words.format(fleet=settings.FLEET_WORD) for name, words in WORDS.items()}


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are columns, in their order, as many as fit."""
    wanted = set(names)
    return tuple(name for name in WORDS if name in wanted)[:MOST]
