"""Reading a list of devices: what it may look like, and every kind of bad line by number and column."""

from __future__ import annotations

import pytest

from devices.operations.device_file import MOST, SKIPPED, UNBALANCED, UNNAMED, Fault, Line, read, taken
from tests.factories import make_device

UUID = "4c5bd1a0f3de4d0e9f2b6a7c8d9e0f11"
OTHER = "a" * 62
SECONDS = "Enter a whole number of seconds from 10 to 86400."
NOT_A_UUID = "A UUID has 32 or 62 characters (0 to 9 and a to f)."


def test_all_columns() -> None:
    text = f'uuid,name,device_type,tags,notes\n{UUID},pump-1,rpi,"site = north; spare",Behind the door\n'
    line = Line(2, UUID, "pump-1", "rpi", {"site": "north", "spare": ""}, "Behind the door")
    assert read(text.encode()) == read(text.rstrip().encode())
    assert read(text.encode()).lines == [line]
    assert read(text.encode()).faults == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name\npump-1\npump-2\n", [Line(2, name="pump-1"), Line(3, name="pump-2")]),
        ("NAME , Device Type\npump-1, rpi \n", [Line(2, name="pump-1", device_type="rpi")]),
        ("\ufeffname\npump-1\n", [Line(2, name="pump-1")]),
        ("\ufeff\ufeffname\npump-1\n", [Line(2, name="pump-1")]),  # of a program that knows of none
        ("name\r\npump-1\r\n", [Line(2, name="pump-1")]),
        ("name\rpump-1\r", [Line(2, name="pump-1")]),
        ("notes;name\nhere;pump-1\n", [Line(2, name="pump-1", notes="here")]),
        ("notes\tname\nhere\tpump-1\n", [Line(2, name="pump-1", notes="here")]),
        ('name\n"pump, the ""big"" one"\n', [Line(2, name='pump, the "big" one')]),
        ('name,notes\na,"two\nlines"\nb,\n', [Line(2, name="a", notes="two\nlines"), Line(4, name="b")]),
        ('name,tags\na,"site=north\nspare"\n', [Line(2, name="a", tags={"site": "north", "spare": ""})]),
        ("name,notes\n\na,\n,\n  ,\nb,\n", [Line(3, name="a"), Line(6, name="b")]),
        (f"uuid\n{UUID.upper()}\n", [Line(2, UUID)]),
        ("uuid\n4C5BD1A0-F3DE-4D0E-9F2B-6A7C8D9E0F11\n", [Line(2, UUID)]),
        (f"uuid,name\n{OTHER},\n,pump-1\n", [Line(2, OTHER), Line(3, name="pump-1")]),
        ("name\npumpe-ä-漢\n", [Line(2, name="pumpe-ä-漢")]),
        ("name\n=1+1\n", [Line(2, name="=1+1")]),
        ("name,poll_interval\na,300\nb,\n", [Line(2, name="a", poll_interval=300), Line(3, name="b")]),
    ],
)
def test_what_it_may_look_like(content: str, expected: list[Line]) -> None:
    assert (read(content.encode()).lines, read(content.encode()).faults) == (expected, [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        ("name,type,notes,,\npump-1,rpi,here,,\npump-2,,,,\n", (2, 3)),  # unnamed columns that are empty
        (",name,,type,notes\n,pump-1,,rpi,here\n,pump-2,,,\n", (2, 3)),
        ("name,type,notes\npump-1,rpi,here,,,\npump-2,,,,,\n,,,,,\n", (2, 3)),  # separators at line ends
        ("name,type,notes\npump-1,rpi,here\npump-2\n", (2, 3)),  # and none, as Excel leaves them out
        ("sep=;\nname;type;notes\npump-1;rpi;here\npump-2;;\n", (3, 4)),
        ("sep=|\nname|type|notes\npump-1|rpi|here\npump-2||\n", (3, 4)),
        ('"sep=;";;\nname;type;notes\npump-1;rpi;here\npump-2;;\n', (3, 4)),
        ("sep=;,,\nname,type,notes\npump-1,rpi,here\npump-2,,\n", (3, 4)),  # taken for a row, and saved
        ("\nname,type,notes\npump-1,rpi,here\npump-2,,\n", (3, 4)),  # an empty first line
        (";;;\n\n;name;type;notes\n;pump-1;rpi;here\n;pump-2;;\n", (4, 5)),
    ],
)
def test_files_as_spreadsheets_write_them(content: str, numbers: tuple[int, int], end: str) -> None:
    found = read(content.replace("\n", end).encode())
    first = Line(numbers[0], name="pump-1", device_type="rpi", notes="here")
    assert (found.lines, found.faults) == ([first, Line(numbers[1], name="pump-2")], [])


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ('{"site": "north; side", "spare": ""}', {"site": "north; side", "spare": ""}),
        ("{}", {}),
        ('{"a": "x, \'=y"}', {"a": "x, =y"}),
        ("site = '-5; '-x = 1", {"site": "'-5", "-x": "1"}),
    ],
)
def test_tags_as_an_export_writes_them(cell: str, tags: dict[str, str]) -> None:
    quoted = cell.replace('"', '""')
    found = read(f'name,tags\na,"{quoted}"\n'.encode())
    assert (found.lines, found.faults) == ([Line(2, name="a", tags=tags)], [])


@pytest.mark.parametrize(
    ("cell", "name"), [("'=1+1", "=1+1"), ("''=1", "'=1"), ("'a", "'a"), ("a;'-b", "a;-b"), ("'", "'")]
)
def test_an_apostrophe_before_what_would_be_a_formula_is_not_part_of_the_name(cell: str, name: str) -> None:
    assert read(f'name\n"{cell}"\n'.encode()).lines == [Line(2, name=name)]


def test_columns_of_an_export_that_are_not_imported_are_told() -> None:
    found = read(b"fleet,name,type,status\nkiosks,a,rpi,online\n")
    assert (found.lines, found.faults) == ([Line(2, name="a", device_type="rpi")], [])
    assert found.remark == "These columns of the export are not imported: fleet, status."
    assert read(b"name\na\n").remark == ""


NAMES = "uuid, name, device_type, tags, notes, poll_interval"
UNKNOWN = f"Unknown column. Known columns: {NAMES}."
NOT_A_TAG = "looks like JSON, but it is not an object of names and values."
HIDDEN = "It has a character that does not show"


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"", [Fault(1, "", f"The first line must name the columns. Known columns: {NAMES}.")]),
        (
            b"pump-1\npump-2\n",
            [Fault(1, "", f"The first line must name the columns. Known columns: {NAMES}.")],
        ),
        (b"name\n", [Fault(0, "", "The file has no devices below the header.")]),
        (b'name,"a;b;c"\na,red\n', [Fault(1, "a;b;c", UNKNOWN)]),
        (b"tags\n'=a\n", [Fault(2, "tags", "“=a” has no name before the =.")]),
        (b"name,colour\na,red\n", [Fault(1, "colour", UNKNOWN)]),
        (b"name,\na,b\n", [Fault(2, "", UNNAMED.format("b"))]),
        (b"sep=;\n\nname;;notes\na; big ;\n", [Fault(4, "", UNNAMED.format("big"))]),
        (b"name,Name\na,b\n", [Fault(1, "name", "This column occurs twice.")]),
        ("name\na\n".encode("utf-16"), [Fault(0, "", "The file is in UTF-16. Save it as “CSV UTF-8”.")]),
        *(
            ("name\na\n".encode(form), [Fault(0, "", "The file is in UTF-16. Save it as “CSV UTF-8”.")])
            for form in ("utf-16-le", "utf-16-be", "utf-32")
        ),
        (b"name\na\n\xe4\n", [Fault(3, "", "The file is not in UTF-8. Save it as “CSV UTF-8”.")]),
        (b"name,notes\na,b,c\n", [Fault(2, "", UNNAMED.format("c"))]),
        (b"type,device_type\na,b\n", [Fault(1, "device_type", "This column occurs twice.")]),
        (b"name\rb\r\xe4\r", [Fault(3, "", "The file is not in UTF-8. Save it as “CSV UTF-8”.")]),
        (b'name\na\n"b\n', [Fault(3, "", UNBALANCED)]),
        (b'name\n"a"b\n', [Fault(2, "", UNBALANCED)]),
        (b"notes\n" + b"x" * 140_000 + b"\n", [Fault(2, "", "A cell is too long.")]),
        (b"uuid\n123\n", [Fault(2, "uuid", NOT_A_UUID)]),
        (b"uuid\n" + b"g" * 32 + b"\n", [Fault(2, "uuid", NOT_A_UUID)]),
        (
            f"uuid\n{UUID}\n{OTHER}\n{UUID.upper()}\n".encode(),
            [Fault(4, "uuid", "4c5bd1a is already on line 2.")],
        ),
        (
            b"name\n" + b"x" * 256 + b"\n",
            [Fault(2, "name", "It has 256 characters. At most 255 are allowed.")],
        ),
        (
            b"device_type\n" + b"x" * 256 + b"\n",
            [Fault(2, "device_type", "It has 256 characters. At most 255 are allowed.")],
        ),
        (
            b"notes\n" + b"x" * 20_001 + b"\n",
            [Fault(2, "notes", "It has 20001 characters. At most 20000 are allowed.")],
        ),
        (b'name\n"a\nb"\n', [Fault(2, "name", "It has a line break. Remove it.")]),
        (b"name\na\x00\n", [Fault(2, "name", f"{HIDDEN}, U+0000. Remove it.")]),
        (b"notes\na\x1b[31m\n", [Fault(2, "notes", f"{HIDDEN}, U+001B. Remove it.")]),
        (b"name,tags\na,= north\n", [Fault(2, "tags", "“= north” has no name before the =.")]),
        (b"tags\n{a\n", [Fault(2, "tags", f"“{{a” {NOT_A_TAG}")]),
        (b'tags\n"{""a"": 1}"\n', [Fault(2, "tags", f'“{{"a": 1}}” {NOT_A_TAG}')]),
        (b'tags\n"{""a=b"": ""c""}"\n', [Fault(2, "tags", f'“{{"a=b": "c"}}” {NOT_A_TAG}')]),
        (b'tags\n"{""a"": ""\\u0000""}"\n', [Fault(2, "tags", f"{HIDDEN}, U+0000. Remove it.")]),
        (b'tags\n"{""a"": ""\\ud800""}"\n', [Fault(2, "tags", f"{HIDDEN}, U+D800. Remove it.")]),
        (
            b'tags\n"{""a"": ""1"", ""a"": ""2""}"\n',
            [Fault(2, "tags", "“a” occurs twice. A tag has one value.")],
        ),
        (b"poll_interval\n9\n", [Fault(2, "poll_interval", SECONDS)]),
        (b"poll_interval\n86401\n", [Fault(2, "poll_interval", SECONDS)]),
        (b"poll_interval\n15 min\n", [Fault(2, "poll_interval", SECONDS)]),
        (b"name,tags\na,a=1;a=2\n", [Fault(2, "tags", "“a” occurs twice. A tag has one value.")]),
        (
            f"uuid,name,tags\n123,{'x' * 256},=\n\n,ok,\n4,,\n".encode(),
            [
                Fault(2, "name", "It has 256 characters. At most 255 are allowed."),
                Fault(2, "tags", "“=” has no name before the =."),
                Fault(2, "uuid", NOT_A_UUID),
                Fault(5, "uuid", NOT_A_UUID),
            ],
        ),
    ],
)
def test_every_fault_is_named_by_line_and_column(content: bytes, faults: list[Fault]) -> None:
    assert read(content).faults == faults


STRANGE = b"Colour,name,Serial no.,\nred,a,7,\nblue,b,8,\n"


def test_all_unknown_columns_are_named_at_once() -> None:
    found = read(STRANGE)
    assert found.faults == [Fault(1, "Colour", UNKNOWN), Fault(1, "Serial no.", UNKNOWN)]
    assert (found.unknown, found.lines) == ({0: "Colour", 2: "Serial no."}, [])
    assert read(b"name\n").unknown == {}


@pytest.mark.parametrize(
    ("chosen", "lines"),
    [
        ({0: SKIPPED, 2: "notes"}, [Line(2, name="a", notes="7"), Line(3, name="b", notes="8")]),
        (
            {0: "tags", 2: SKIPPED},
            [Line(2, name="a", tags={"red": ""}), Line(3, name="b", tags={"blue": ""})],
        ),
        ({0: SKIPPED, 1: "notes", 2: SKIPPED}, [Line(2, name="a"), Line(3, name="b")]),  # a known one stays
    ],
)
def test_a_person_says_what_unknown_columns_are(chosen: dict[int, str], lines: list[Line]) -> None:
    found = read(STRANGE, chosen)
    assert (found.lines, found.faults, found.unknown, found.ignored) == (lines, [], {}, [])


@pytest.mark.parametrize(
    ("chosen", "fault"),
    [
        ({0: "name", 2: SKIPPED}, Fault(1, "name", "This column occurs twice.")),
        ({0: "notes", 2: "notes"}, Fault(1, "notes", "This column occurs twice.")),
        ({0: "notes"}, Fault(1, "Serial no.", UNKNOWN)),
    ],
)
def test_what_is_said_of_columns_may_be_wrong_too(chosen: dict[int, str], fault: Fault) -> None:
    found = read(STRANGE, chosen)
    assert (found.faults, found.unknown) == ([fault], {0: "Colour", 2: "Serial no."})


def test_a_file_may_have_no_known_column_at_all() -> None:
    german = b"Bezeichnung;Ort\npumpe-1;Hof\n"
    assert read(german).faults == [
        Fault(1, "", f"The first line must name the columns. Known columns: {NAMES}.")
    ]
    assert read(german).unknown == {0: "Bezeichnung", 1: "Ort"}
    assert read(german, {0: "name", 1: SKIPPED}).lines == [Line(2, name="pumpe-1")]


@pytest.mark.parametrize(("column", "most"), [("name", 255), ("device_type", 255), ("notes", 20_000)])
def test_lengths_are_those_of_the_text_as_it_is_kept(column: str, most: int) -> None:
    """In NFC some characters are several, and others become one: neither is cut nor refused for its form."""
    longer, shorter = "\u0958" * (most // 2 + 1), "a\u0308" * most
    assert read(f"{column}\n{longer}\n".encode()).faults == [
        Fault(2, column, f"It has {most // 2 * 2 + 2} characters. At most {most} are allowed.")
    ]
    found = read(f"{column}\n{shorter}\n".encode())
    assert found.faults == []
    assert getattr(found.lines[0], column) == "\u00e4" * most


def test_a_line_break_of_windows_is_one_character_of_notes() -> None:
    found = read(b'notes\n"' + b"\r\n".join([b"x"] * 10_000) + b'"\n')
    assert (found.lines, found.faults) == ([Line(2, notes="\n".join(["x"] * 10_000))], [])


def test_ten_thousand_devices_and_one_bad_line() -> None:
    rows = [f"pump-{number}," for number in range(10_000)]
    rows[6_999] = "pump-6999,="
    got = read(("name,tags\n" + "\n".join(rows)).encode())
    assert got.faults == [Fault(7_001, "tags", "“=” has no name before the =.")]
    assert str(got.faults[0]) == "Line 7001, column tags: “=” has no name before the =."


def test_there_is_a_limit() -> None:
    assert read(b"name\n" + b"a\n" * MOST).faults == []
    assert read(b"name\n" + b"a\n" * (MOST + 1)).faults == [
        Fault(MOST + 2, "", f"The file has more than {MOST} devices. Split it.")
    ]


@pytest.mark.django_db
def test_what_the_site_has_already() -> None:
    make_device(uuid=UUID)
    assert taken([Line(2), Line(3, OTHER), Line(4, UUID)]) == [
        Fault(4, "uuid", "Another device on this site already has 4c5bd1a.")
    ]
