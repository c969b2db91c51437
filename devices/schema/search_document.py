"""How a device is described for searches: SQL of the words, tags, type and versions of its row.

A word of a device is what fleets/postgres/text_search.py makes of its name, notes, tags and addresses. Its
UUID is a lexeme of its own kind, so that a word and the beginning of a UUID are told apart.
"""

import re
from typing import Final

from devices.schema.texts import read
from fleets.postgres.text_search import words

UUID: Final = "uuid:"  # begins the lexeme of a UUID; no word of a text holds a colon

# What a description is made of; the organization follows the fleet.
COLUMNS: Final = (
    "fleet_id",
    "uuid",
    "name",
    "notes",
    "tags",
    "ip_addresses",
    "public_address",
    "device_type",
    "os_version",
    "release",
)


def search_documents_sql(devices: str) -> str:
    """The statement that describes these rows, given as SQL; where one is described already, anew."""
    text = re.sub(r"WORDS_OF\((.+)\)\s+", lambda matched: f"{words(matched[1])} ", read("described"))
    return f"\n{text}".replace("DEVICES", devices)
