"""SQL of the search documents of devices: words, tags, type and versions of their rows.

The words are what fleets/postgres/text_search.py makes of name, notes, tags and addresses. The UUID is a
lexeme with a prefix, so that a word is distinguished from the beginning of a UUID.
"""

import re
from typing import Final

from devices.schema.texts import read
from fleets.postgres.text_search import words

UUID: Final = "uuid:"  # the prefix of the lexeme of a UUID; no word of a text contains a colon

# The columns that a search document depends on; the organization follows from the fleet.
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
    """A statement that inserts or updates the search documents of devices.

    `devices` is SQL of a relation with the columns of Device.
    """
    text = re.sub(r"WORDS_OF\((.+)\)\s+", lambda matched: f"{words(matched[1])} ", read("described"))
    return f"\n{text}".replace("DEVICES", devices)
