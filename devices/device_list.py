"""A list of devices as a file: CSV with a header, as a spreadsheet or a program writes it.

Reading it changes nothing. Every fault is found, not only the first, and named by line and column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from django.core.exceptions import ValidationError

from devices.models import UUID_PATTERN, Device
from devices.tags import tags_of

COLUMNS: Final = ("uuid", "name", "device_type", "tags", "notes")
MOST: Final = 20_000  # devices of a file
LONGEST: Final = {"name": 255, "device_type": 255, "notes": 20_000}  # characters
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
CONTROL_OR_BREAK: Final = re.compile(r"[\x00-\x1f\x7f]")
SEPARATORS: Final = (",", ";", "\t")
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Line:
    """A device as the file says it, and the line of the file it begins on."""

    number: int
    uuid: str = ""
    name: str = ""
    device_type: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong, and where: line 0 is the file as a whole, no column a whole line."""

    line: int
    column: str
    words: str

    def __str__(self) -> str:
        where = [f"Line {self.line}"] * bool(self.line) + [f"column {self.column}"] * bool(self.column)
        return f"{', '.join(where)}: {self.words}" if where else self.words


@dataclass(frozen=True)
class DeviceFile:
    """What a file says: good if it has no faults."""

    lines: list[Line]
    faults: list[Fault]


class _Unreadable(Exception):
    """Nothing more can be read: the fault says why."""

    def __init__(self, line: int, column: str, words: str) -> None:
        super().__init__(words)
        self.fault = Fault(line, column, words)


def read(content: bytes) -> DeviceFile:
    """The devices of a file, with all that is wrong with it in itself."""
    lines: list[Line] = []
    faults: list[Fault] = []
    try:
        _read(content, lines, faults)
    except _Unreadable as unreadable:
        faults.append(unreadable.fault)
    if not faults and not lines:
        faults.append(Fault(0, "", "It names no device: below the header is nothing."))
    return DeviceFile(lines, sorted(faults))


def taken(lines: Iterable[Line]) -> list[Fault]:
    """The UUIDs that devices of this site have already."""
    numbers = {line.uuid: line.number for line in lines if line.uuid}
    there = Device.objects.filter(uuid__in=list(numbers)).values_list("uuid", flat=True)
    return sorted(
        Fault(numbers[uuid], "uuid", f"A device of this site has {uuid[:7]} already.") for uuid in there
    )


def _read(content: bytes, lines: list[Line], faults: list[Fault]) -> None:
    rows = _rows(_text(content))
    number, names = next(rows, (1, []))
    header = _header(number, names)
    first: dict[str, int] = {}  # the line of each UUID
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue  # as spreadsheets leave below the last one
        if len(lines) == MOST:
            raise _Unreadable(number, "", f"More than {MOST} devices: divide the file.")
        if len(cells) != len(header):
            faults.append(Fault(number, "", f"It has {len(cells)} cells, the header {len(header)}."))
            continue
        line = _line(number, dict(zip(header, cells, strict=True)), faults)
        lines.append(line)
        if line.uuid and first.setdefault(line.uuid, number) != number:
            faults.append(Fault(number, "uuid", f"{line.uuid[:7]} is on line {first[line.uuid]} already."))


def _text(content: bytes) -> str:
    if content.startswith(UTF_16):
        raise _Unreadable(0, "", "It is in UTF-16. Save it as “CSV UTF-8”.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Unreadable(line, "", "It is not in UTF-8. Save the file as “CSV UTF-8”.") from error


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row, and the line it begins on; a quoted cell may go over several."""
    begins = text.partition("\n")[0]
    separator = max(SEPARATORS, key=begins.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            words = "A cell is too long." if "limit" in str(error) else UNBALANCED
            raise _Unreadable(number, "", words) from error
        if cells is None:
            return
        if cells:
            yield number, cells


UNBALANCED: Final = "Its quotes do not match: a quote within a quoted cell is doubled."


def _header(number: int, names: list[str]) -> list[str]:
    header = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in names]
    known = ", ".join(COLUMNS)
    if not set(header) & set(COLUMNS):
        raise _Unreadable(number, "", f"The first line must name the columns: some of {known}.")
    for name, column in zip(names, header, strict=True):
        if column not in COLUMNS:
            raise _Unreadable(number, name.strip()[:40] or "without a name", f"There are {known}, not this.")
        if header.count(column) > 1:
            raise _Unreadable(number, column, "It is there twice.")
    return header


def _line(number: int, cells: dict[str, str], faults: list[Fault]) -> Line:
    """The device of these cells; what is wrong with them goes to the faults."""

    def fault(column: str, words: str) -> None:
        faults.append(Fault(number, column, words))

    said = {column: cell.strip() for column, cell in cells.items()}
    for column, cell in said.items():
        breaks = column in {"notes", "tags"}
        if (CONTROL if breaks else CONTROL_OR_BREAK).search(cell):
            fault(column, f"It holds {'' if breaks else 'a line break, or '}a character that does not show.")
        elif len(cell) > LONGEST.get(column, len(cell)):
            fault(column, f"It has {len(cell)} characters; up to {LONGEST[column]} are kept.")
    uuid = said.get("uuid", "").replace("-", "").lower()
    if uuid and not re.fullmatch(UUID_PATTERN, uuid):
        fault("uuid", "A UUID has 32 or 62 characters, each 0 to 9 or a to f.")
        uuid = ""
    tags: dict[str, str] = {}
    try:
        tags = tags_of(re.split(r"[;\r\n]", said.get("tags", "")))
    except ValidationError as error:
        fault("tags", error.messages[0])
    texts = {column: said.get(column, "") for column in ("name", "device_type")}
    return Line(number, uuid, tags=tags, notes=said.get("notes", "").replace("\r\n", "\n"), **texts)
