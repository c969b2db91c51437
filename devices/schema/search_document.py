"""How a device is described for searches: SQL of the words, tags, type and versions of its row.

A word of a device is what fleets/postgres/text_search.py makes of its name, notes, tags and addresses. Its
UUID is a lexeme of its own kind, so that a word and the beginning of a UUID are told apart.
"""

from typing import Final

from fleets.postgres.text_search import words

UUID: Final = "uuid:"  # begins the lexeme of a UUID; no word of a text holds a colon

TEXT: Final = (
    "concat_ws(' ', d.name, d.notes, d.tags, array_to_string(d.ip_addresses, ' '), host(d.public_address))"
)

DESCRIBE: Final = f"""
INSERT INTO devices_description
    (device_id, organization_id, recorded_words, recorded_tags, recorded_type, recorded_os_version,
     recorded_release)
SELECT d.id, d.organization_id,
       {words(TEXT)} || array_to_tsvector(ARRAY['{UUID}' || d.uuid]),
       d.tags, d.device_type, d.os_version, d.release
FROM DEVICES d
ON CONFLICT (device_id) DO UPDATE SET
    organization_id = EXCLUDED.organization_id, recorded_words = EXCLUDED.recorded_words,
    recorded_tags = EXCLUDED.recorded_tags, recorded_type = EXCLUDED.recorded_type,
    recorded_os_version = EXCLUDED.recorded_os_version, recorded_release = EXCLUDED.recorded_release
"""
# What a description is made of; the organization follows the fleet.
DESCRIBED: Final = (
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


def describe(devices: str) -> str:
    """The statement that describes these rows, given as SQL; where one is described already, anew."""
    return DESCRIBE.replace("DEVICES", devices)
