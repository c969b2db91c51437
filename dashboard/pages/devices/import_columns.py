"""The columns of a file that nobody here knows: a person says what each is, and the file is read again.

Nothing is stored meanwhile: the form carries the file, compressed.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dashboard.http.request_limits import BODY_LIMIT
from devices.operations.device_file import COLUMNS, SKIPPED, DeviceFile

MOST: Final = 50  # columns that are asked about
LARGEST: Final = 900_000  # characters of a compressed file: a form's fields may have 1 MB
NAMED: Final = re.compile(r"column-([0-9]{1,6})")
AS: Final = {SKIPPED: "Ignore it", **{name: name for name in COLUMNS}}


@dataclass(frozen=True)
class Ask:
    """What is asked about a file, and the file."""

    file_name: str
    content: str
    columns: list[tuple[int, str, str]]  # place in the header, its name there, what was said so far
    choices: Mapping[str, str]


def ask(file_name: str, content: bytes, read: DeviceFile, chosen: Mapping[int, str]) -> Ask | None:
    """The form for the unknown columns of this file; None where it has none, or too much to carry."""
    if not 0 < len(read.unknown) <= MOST:
        return None
    packed = b64encode(zlib.compress(content)).decode()
    if len(packed) > LARGEST:
        return None
    columns = [(place, name, chosen.get(place, SKIPPED)) for place, name in read.unknown.items()]
    return Ask(file_name[:255], packed, columns, AS)


def chosen_in(posted: Mapping[str, str]) -> dict[int, str]:
    """What a person says of each column, by its place in the header."""
    named = ((NAMED.fullmatch(name), value) for name, value in posted.items())
    return {int(match[1]): value for match, value in named if match and value in AS}


def unpacked(packed: str) -> bytes:
    """The file in a form's field, which may hold anything; nothing where it is none, cut or too long."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(b64decode(packed, validate=True), BODY_LIMIT)
    except (ValueError, zlib.error):
        return b""
    return content if unpacking.eof else b""
