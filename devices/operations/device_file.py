"""Reading a list of devices from a CSV file with a header, as spreadsheets, programs and our export write it.

Reading changes nothing. It finds every fault, not only the first, and names its line and column.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Any, Final

from django.core.exceptions import ValidationError

from devices.listing.export_rows import COLUMNS as EXPORTED
from devices.models import UUID_PATTERN, Device
from devices.operations.csv_cells import BOM, plain
from devices.rules.tags import tags_of, tags_of_json
from fleets.models import POLL_INTERVAL_MAX, POLL_INTERVAL_MIN
from fleets.text import checked

COLUMNS: Final = ("uuid", "name", "device_type", "tags", "notes", "poll_interval")
ALSO_CALLED: Final = {"type": "device_type"}  # names that exports have for COLUMNS
KNOWN: Final = frozenset({*COLUMNS, *EXPORTED})
UNKNOWN, SKIPPED = (
    "?",
    "-",
)  # in place of a column's name: it is not known yet; a person chose to leave it out
MOST: Final = 20_000  # devices per file
LONGEST: Final = {"name": 255, "device_type": 255, "notes": 20_000}  # characters
SEPARATORS: Final = (",", ";", "\t")
# A first line that names the separator for spreadsheets; a program that took it for a row may have added its
# own.
ANNOUNCED: Final = re.compile(r"""\s*"?sep=([^\w\s"]|\t)"?([,;\t]*+)\s*+""", re.IGNORECASE)
BLANK: Final = "".join(SEPARATORS) + '" \r\n'  # the characters of a line without a word
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Line:
    """A device as the file describes it."""

    number: int  # of the line of the file that it begins on
    uuid: str = ""
    name: str = ""
    device_type: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    notes: str = ""
    poll_interval: int | None = None  # seconds


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong with a file, and where."""

    line: int  # from 1; 0: the file as a whole
    column: str  # empty: the line as a whole
    words: str  # a sentence

    def __str__(self) -> str:
        where = [f"Line {self.line}"] * bool(self.line) + [f"column {self.column}"] * bool(self.column)
        return f"{', '.join(where)}: {self.words}" if where else self.words


@dataclass(frozen=True)
class DeviceFile:
    """The content of a file; valid if it has no faults.

    `ignored` are columns of an export that cannot be imported. `unknown` are, where the header has faults,
    the names of its unknown columns by their positions from 0; a person may choose what they are (see
    `read`).
    """

    lines: list[Line]
    faults: list[Fault]
    ignored: list[str] = field(default_factory=list)
    unknown: dict[int, str] = field(default_factory=dict)

    @property
    def remark(self) -> str:
        """A sentence on what of a valid file is not imported; empty: all is."""
        return (
            f"These columns of the export are not imported: {', '.join(self.ignored)}."
            if self.ignored
            else ""
        )


class _Unreadable(Exception):
    """The rest of the file cannot be read; `fault` says why."""

    def __init__(self, line: int, column: str, words: str) -> None:
        super().__init__(words)
        self.fault = Fault(line, column, words)


def read(content: bytes, chosen: Mapping[int, str] | None = None) -> DeviceFile:
    """The devices of a file and all of its faults, apart from UUIDs that exist already (see `taken`).

    `chosen` has for unknown columns, by their positions from 0, which of COLUMNS they are, or SKIPPED.
    """
    found = DeviceFile([], [])
    try:
        _read(content, chosen or {}, found)
    except _Unreadable as unreadable:
        found.faults.append(unreadable.fault)
    if not found.faults and not found.lines:
        found.faults.append(Fault(0, "", "The file has no devices below the header."))
    found.faults.sort()
    return found


def taken(lines: Iterable[Line]) -> list[Fault]:
    """A fault for each line whose UUID a device of this site already has. One query."""
    numbers = {line.uuid: line.number for line in lines if line.uuid}
    there = Device.objects.filter(uuid__in=list(numbers)).values_list("uuid", flat=True)
    return sorted(
        Fault(numbers[uuid], "uuid", f"Another device on this site already has {uuid[:7]}.") for uuid in there
    )


def _read(content: bytes, chosen: Mapping[int, str], found: DeviceFile) -> None:
    rows = _rows(_text(content))
    number, names = next(rows, (1, []))
    header = [_column(name) for name in names]
    unknown = {index: names[index] for index, column in enumerate(header) if column and column not in KNOWN}
    for index in unknown:
        header[index] = chosen.get(index, UNKNOWN)
    found.faults.extend(_faults(number, header, unknown))
    if found.faults:
        found.unknown.update((index, name.strip()[:40]) for index, name in unknown.items())
        return
    found.ignored.extend(column for column in header if column in EXPORTED and column not in COLUMNS)
    first: dict[str, int] = {}  # the line of each UUID
    for number, cells in rows:
        if len(found.lines) == MOST:
            raise _Unreadable(number, "", f"The file has more than {MOST} devices. Split it.")
        # Spreadsheets omit the separators behind the last filled cell, or add some.
        row = list(zip_longest(header, cells, fillvalue=""))
        if beyond := [cell for column, cell in row if not column and cell.strip()]:
            found.faults.append(Fault(number, "", UNNAMED.format(beyond[0].strip()[:40])))
            continue
        line = _line(number, {column: cell for column, cell in row if column in COLUMNS}, found.faults)
        found.lines.append(line)
        if line.uuid and first.setdefault(line.uuid, number) != number:
            words = f"{line.uuid[:7]} is already on line {first[line.uuid]}."
            found.faults.append(Fault(number, "uuid", words))


UNNAMED: Final = (
    "“{}” is in a column without a name in the header. Text that contains a separator must be quoted."
)


def _text(content: bytes) -> str:
    if content.startswith(UTF_16) or b"\0" in content[:2]:
        raise _Unreadable(0, "", "The file is in UTF-16. Save it as “CSV UTF-8”.")
    try:
        return content.decode().lstrip(BOM)  # programs that do not know the mark may have added a second
    except UnicodeDecodeError as error:
        line = len(content[: error.start + 1].splitlines())
        raise _Unreadable(line, "", "The file is not in UTF-8. Save it as “CSV UTF-8”.") from error


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, as the number of the line that it begins on and its cells."""
    separator, before = _separator(text)
    lines = islice(io.StringIO(text, newline=""), before, None)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        number = before + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            words = "A cell is too long." if "limit" in str(error) else UNBALANCED
            raise _Unreadable(number, "", words) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield number, cells


def _separator(text: str) -> tuple[str, int]:
    """The separator of the cells, and how many lines are above the header.

    The separator is named by a line above the header, or else is the one that fits the header best.
    """
    for before, line in enumerate(io.StringIO(text, newline="")):
        if announced := ANNOUNCED.fullmatch(line):
            return (announced[2] or announced[1])[0], before + 1
        if line.strip(BLANK):
            named = {
                separator: {_column(name.strip(' "')) for name in line.split(separator)}
                for separator in SEPARATORS
            }
            return max(
                SEPARATORS, key=lambda separator: (len(named[separator] & {*COLUMNS}), line.count(separator))
            ), before
    return SEPARATORS[0], 0


UNBALANCED: Final = "The quotes do not match. Write a quote within a quoted cell twice."


def _faults(number: int, header: Sequence[str], unknown: Mapping[int, str]) -> Iterator[Fault]:
    """All faults of a header on line `number`."""
    if not set(header) & set(COLUMNS):
        yield Fault(number, "", f"The first line must name the columns. Known columns: {', '.join(COLUMNS)}.")
        return
    for index, name in unknown.items():
        if header[index] == UNKNOWN:
            yield Fault(number, name.strip()[:40], UNKNOWN_COLUMN)
    for column, times in Counter(header).items():
        if column in KNOWN and times > 1:
            yield Fault(number, column, "This column occurs twice.")


UNKNOWN_COLUMN: Final = f"Unknown column. Known columns: {', '.join(COLUMNS)}."


def _column(name: str) -> str:
    column = re.sub(r"[\s-]+", "_", name.strip().lower())
    return ALSO_CALLED.get(column, column)


def _line(number: int, cells: dict[str, str], faults: list[Fault]) -> Line:
    """The device of these cells (by column); their faults are appended to `faults`."""

    def fault(column: str, words: str) -> None:
        faults.append(Fault(number, column, words))

    entered = dict.fromkeys(COLUMNS, "") | {
        column: plain(cell).strip().replace("\r\n", "\n") for column, cell in cells.items()
    }
    for column, cell in entered.items():
        try:
            entered[column] = checked(cell, lines=column in {"notes", "tags"})
        except ValidationError as error:
            fault(column, error.messages[0])
            entered[column] = ""
        length = len(entered[column])  # in NFC, as it is stored, which may be longer or shorter
        if length > LONGEST.get(column, length):
            fault(column, f"It has {length} characters. At most {LONGEST[column]} are allowed.")
    uuid = entered["uuid"].replace("-", "").lower()
    if uuid and not re.fullmatch(UUID_PATTERN, uuid):
        fault("uuid", "A UUID has 32 or 62 characters (0 to 9 and a to f).")
        uuid = ""
    values: dict[str, Any] = {}
    for column, parse in PARSED.items():
        try:
            values[column] = parse(entered[column])
        except ValidationError as error:
            fault(column, error.messages[0])
    texts = entered["name"], entered["device_type"]
    return Line(number, uuid, *texts, notes=entered["notes"], **values)


def _tags(cell: str) -> dict[str, str]:
    """The tags of a cell, in JSON as exports write them, or separated by ";" or line breaks."""
    return tags_of_json(cell) if cell.startswith("{") else tags_of(re.split(r"[;\r\n]", cell))


def _poll_interval(cell: str) -> int | None:
    if not cell:
        return None
    if not re.fullmatch("[0-9]{1,6}", cell) or not POLL_INTERVAL_MIN <= int(cell) <= POLL_INTERVAL_MAX:
        raise ValidationError(
            f"Enter a whole number of seconds from {POLL_INTERVAL_MIN} to {POLL_INTERVAL_MAX}."
        )
    return int(cell)


PARSED: Final[dict[str, Callable[[str], Any]]] = {"tags": _tags, "poll_interval": _poll_interval}
