"""The form that asks what unknown columns of an uploaded file are, so that the file can be read again.

Nothing is stored meanwhile: the form has the compressed file in a field.
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

MOST: Final = 50  # most unknown columns that the form asks about
LARGEST: Final = 900_000  # characters of a compressed file, as the fields of a form may have 1 MB
NAMED: Final = re.compile(r"column-([0-9]{1,6})")
AS: Final = {SKIPPED: "Ignore it", **{name: name for name in COLUMNS}}


@dataclass(frozen=True)
class Ask:
    """The form for a file: `content` is the compressed file in base 64."""

    file_name: str
    content: str
    columns: list[tuple[int, str, str]]  # index in the header, name there, and the present choice
    choices: Mapping[str, str]


def ask(file_name: str, content: bytes, read: DeviceFile, chosen: Mapping[int, str]) -> Ask | None:
    """The form for the unknown columns of this file; None if it has none, too many, or is too large.

    `chosen` are earlier choices, by the index of the column.
    """
    if not 0 < len(read.unknown) <= MOST:
        return None
    packed = b64encode(zlib.compress(content)).decode()
    if len(packed) > LARGEST:
        return None
    columns = [(index, name, chosen.get(index, SKIPPED)) for index, name in read.unknown.items()]
    return Ask(file_name[:255], packed, columns, AS)


def chosen_in(posted: Mapping[str, str]) -> dict[int, str]:
    """The choice for each column in a form's fields, by its index in the header."""
    named = ((NAMED.fullmatch(name), value) for name, value in posted.items())
    return {int(match[1]): value for match, value in named if match and value in AS}


def unpacked(packed: str) -> bytes:
    """The decompressed file of a form's field; b"" if the field has no complete file, or it is too long."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(b64decode(packed, validate=True), BODY_LIMIT)
    except (ValueError, zlib.error):
        return b""
    return content if unpacking.eof else b""
