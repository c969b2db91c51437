"""The columns of the Devices page that a person can choose; name, status and links are always shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.conf import settings

# The words of the column heads, in the order of the columns.
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
MOST: Final = 6  # more would be too narrow to read
ALWAYS: Final = "status"  # in an address: only the columns that are always shown


def column_words() -> dict[str, str]:
    """The words of every column that can be chosen, by its name, with the site's word for fleets."""
    return {name: words.format(fleet=settings.FLEET_WORD) for name, words in WORDS.items()}


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """The columns among `names`, in the order of columns, at most MOST."""
    known = set(names)
    return tuple(name for name in WORDS if name in known)[:MOST]
