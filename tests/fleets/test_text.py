"""Texts as they are kept and asked for, and every door by which one comes in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from unicodedata import category, is_normalized, normalize

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from devices import keys
from devices.models import ApiKey
from devices.operations import configuration, device_file, lifecycle, reports
from devices.rules.tags import tags_of_json
from fleets.text import checked, isolated, kept
from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import Address, addresses
from tests.access.world import World, a_world, undone
from tests.examples import in_turn
from tests.factories import make_device, make_fleet
from tests.security.html import Html

DIRECTIONS: Final = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]
OTHERS: Final = [0x00, 0x07, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x2028, 0x2029, 0x2060, 0xFEFF, 0xFFF9, 0xE0041]
TURNED: Final = "pump\u202e7"
NFD: Final = normalize("NFD", "Büro Łódź 서울")
NFC: Final = normalize("NFC", NFD)


@pytest.mark.parametrize("code", DIRECTIONS + OTHERS)
def test_characters_that_do_not_show_are_refused_by_name_and_dropped(code: int) -> None:
    with pytest.raises(ValidationError, match=f"U\\+{code:04X}"):
        checked(f"pump{chr(code)}7")
    assert kept(f"pump{chr(code)}7") == "pump7"


@pytest.mark.parametrize(
    "text",
    [
        "pump-7",
        "می\u200cخو\u0627\u0647م",  # Persian: two words that are one
        "क्\u200dष",  # a half form in Devanagari
        "ന്\u200d",  # Malayalam, at the end of a word
        "👩\u200d🔧",
        "🏳\ufe0f\u200d🌈",
        "תל אביב",
        "İstanbul",
    ],
)
def test_what_scripts_and_emoji_need_is_kept(text: str) -> None:
    assert kept(text) == checked(text) == text


@pytest.mark.parametrize("text", ["pu\u200dmp", "\u200cpump", "pump \u200d", "7\u200c", "\u212a\u200d"])
def test_joiners_that_join_nothing_are_not(text: str) -> None:
    assert kept(text) == text.replace("\u200d", "").replace("\u200c", "").replace("\u212a", "K")
    with pytest.raises(ValidationError, match="JOINER"):
        checked(text)


def test_line_breaks_are_for_notes_and_are_called_so() -> None:
    assert kept("a\r\n\tb", lines=True) == checked("a\r\n\tb", lines=True) == "a\r\n\tb"
    with pytest.raises(ValidationError, match="It has a line break"):
        checked("a\nb")


@pytest.mark.parametrize(
    "text", ["\u3164", "\u2800 \u2800", "\u115f\u1160", "\ufe0f", " \uffa0\u00a0", "\U000e0100"]
)
def test_a_name_of_nothing_that_shows_is_none(text: str) -> None:
    assert kept(text) == ""
    with pytest.raises(ValidationError, match="only characters that do not show"):
        checked(text)


@pytest.mark.parametrize("text", ["", " ", "❤\ufe0f", "\u1100\u1160", "⠓⠀⠊"])
def test_what_is_empty_or_shows_with_their_help_is_as_it_was(text: str) -> None:
    assert kept(text) == checked(text) == text


@given(st.text(), st.booleans())
def test_what_is_kept_is_kept_so_again_in_nfc_and_shows(text: str, lines: bool) -> None:  # noqa: FBT001
    found = kept(text, lines=lines)
    assert kept(found, lines=lines) == found == checked(found, lines=lines)
    assert is_normalized("NFC", found)
    assert not {category(char) for char in found if char not in "\t\r\n\u200c\u200d"} & {"Cc", "Cf", "Cs"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pump-7", "pump-7 is deleted."),
        ("Škoda", "Škoda is deleted."),
        ("תל אביב", "\u2068תל אביב\u2069 is deleted."),
        ("a\u202eb", "\u2068a\u202eb\u2069 is deleted."),
    ],
)
def test_a_name_written_from_right_to_left_turns_no_sentence(name: str, said: str) -> None:
    assert f"{isolated(name)} is deleted." == said


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), a_world() as made:
        yield made


NAMES: Final = ("name", "organization", "username", "first_name", "last_name")
NOTHING: Final = ("\u3164", " \u2800\u00a0")  # to the eye
OWN: Final = [address for address in addresses() if not address.route.startswith("admin/")]


@pytest.mark.django_db
@pytest.mark.hypothesis  # in a thorough run each field, else one in ten
@pytest.mark.parametrize("address", OWN, ids=lambda address: address.name)
def test_no_page_lets_in_another_form_or_what_does_not_show(world: World, address: Address) -> None:
    """Each field of its forms, filled in so; found by looking through all tables."""
    page, path = PAGES[address.name], address.path(world)
    client = world.client(Who.OWNER, page)
    good = {name: text.format(**world.facts) for name, text in page.data.items()}
    answer = client.get(path)
    fields = {} if answer.streaming else fields_of(answer.content.decode())
    for field in in_turn(tuple(sorted({*good, *fields})), len(path)):
        for text in (TURNED, NFD):
            with undone():
                client.post(path, fields | good | {field: text})
                assert tables_with(text) == [], field


@pytest.mark.django_db
@pytest.mark.parametrize("address", OWN, ids=lambda address: address.name)
def test_no_page_lets_in_a_name_of_nothing_that_shows(world: World, address: Address) -> None:
    page, path = PAGES[address.name], address.path(world)
    client = world.client(Who.OWNER, page)
    good = {name: text.format(**world.facts) for name, text in page.data.items()}
    for field in good.keys() & set(NAMES):
        for text in NOTHING:
            with undone():
                client.post(path, good | {field: text})
                assert tables_with(text.strip()) == [], field


def fields_of(html: str) -> dict[str, str]:
    """The fields of the forms of a page that change something, as they stand."""
    forms = [form for form in Html(html).forms if form.method == "post"]
    return {name: form.fields.get(name, "") for form in forms for name in form.names}


@pytest.mark.django_db
@pytest.mark.parametrize("model", ["devices_device", "fleets_fleet", "dashboard_user"])
def test_nor_does_the_admin(world: World, model: str) -> None:
    client = world.client(Who.SUPERUSER)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(id) FROM {model}")  # noqa: S608  names of this project
        path = f"/admin/{model.replace('_', '/')}/{cursor.fetchone()[0]}/change/"
    form = Html(client.get(path).content.decode()).form_with("_save")
    for field in sorted(form.fields.keys() - {"csrfmiddlewaretoken"}):
        for text in (TURNED, NFD):
            with undone():
                client.post(path, form.fields | {field: text})
                assert tables_with(text) == [], field


def tables_with(text: str) -> list[str]:
    """The tables that hold this text, as it is written here."""
    tables = connection.introspection.table_names()
    asked = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\" t WHERE strpos(t::text, %(text)s) > 0)"  # noqa: S608
        for table in tables
        if table != "django_session"
    )
    with connection.cursor() as cursor:
        cursor.execute(asked, {"text": text})
        return [table for (table,) in cursor.fetchall()]


@pytest.mark.django_db
def test_what_is_looked_for_in_all_tables_is_found() -> None:
    make_device(name=TURNED)
    assert "devices_device" in tables_with(TURNED)


@pytest.mark.parametrize("column", ["name", "device_type", "tags", "notes"])
def test_a_file_is_refused_for_what_does_not_show_and_read_in_nfc(column: str) -> None:
    (fault,) = device_file.read(f"{column}\n{TURNED}\n".encode()).faults
    assert (fault.line, fault.column) == (2, column)
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in fault.words
    (line,) = device_file.read(f"{column}\n{NFD}\n".encode()).lines
    assert getattr(line, column) == ({NFC: ""} if column == "tags" else NFC)


def test_tags_in_json_are_no_way_around() -> None:
    with pytest.raises(ValidationError, match="U\\+202E"):
        tags_of_json('{"site": "pump\\u202e7"}')


@pytest.mark.django_db
def test_what_devices_say_is_kept_without_what_does_not_show_and_in_nfc() -> None:
    said: dict[str, Any] = {"os_version": TURNED, "release": NFD, "ip_addresses": [TURNED, "\u202e", NFD]}
    device = lifecycle.register(fleet=make_fleet(), name=TURNED, device_type=NFD, reported=said)
    reports.apply_reports([(device.pk, {"supervisor_version": TURNED, "target_release": NFD})])
    device.refresh_from_db()
    assert (device.name, device.device_type, device.os_version, device.release) == (
        "pump7",
        NFC,
        "pump7",
        NFC,
    )
    assert (device.supervisor_version, device.target_release) == ("pump7", NFC)
    assert device.ip_addresses == ["pump7", NFC]
    fresh = make_device(name="")
    configuration.configure(device_id=fresh.pk, name=TURNED)
    fresh.refresh_from_db()
    assert fresh.name == "pump7"


@pytest.mark.django_db
def test_spaces_around_what_a_device_says_are_no_part_of_its_name_and_type() -> None:
    fleet = make_fleet(device_type="ours")
    spaced = lifecycle.register(fleet=fleet, name=f" {NFD} \u200b", device_type=" rpi ")
    assert (spaced.name, spaced.own_name, spaced.device_type) == (NFC, NFC, "rpi")
    blank = lifecycle.register(fleet=fleet, name=" \u2800", device_type="\u3000")
    assert (blank.name, blank.own_name, blank.device_type) == ("", "", "ours")
    configuration.configure(device_id=blank.pk, name="pump-7")
    blank.refresh_from_db()
    assert blank.name == "pump-7"


@pytest.mark.django_db
def test_a_text_that_is_longer_in_nfc_still_fits() -> None:
    device = make_device()
    reports.apply_reports([(device.pk, {"release": "\u0958" * 255})])
    device.refresh_from_db()
    assert device.release == ("\u0915\u093c" * 128)[:255]


@pytest.mark.django_db
def test_keys_of_the_console_have_such_names_too() -> None:
    fleet = make_fleet()
    keys.new_provisioning_key(fleet, TURNED)
    assert ApiKey.objects.get(fleet=fleet).name == "pump7"
