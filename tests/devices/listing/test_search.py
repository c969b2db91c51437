"""Text search over devices."""

from typing import Literal
from unicodedata import normalize

import pytest
from django.db.models import QuerySet
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices.listing.filters import Filters, unchanging
from devices.models import Device
from fleets.postgres.text_search import words_of
from fleets.text import kept
from tests.factories import make_device, make_uuid

pytestmark = pytest.mark.django_db

Form = Literal["NFC", "NFD"]

# Names in scripts whose cases, forms or joiners are not those of English.
NAMES = (
    "İstanbul-7",
    "ISPARTA",
    "ΣΤΑΘΜΟΣ",
    "Σταθμός ΑΘΗΝΑΣ-2",
    "Straße 7",
    "Škoda",
    "Việt Nam",
    "서울 7호",
    "東京タワー",
    "Ёлка",
    "می\u200cخو\u0627\u0647م",
    "क्\u200dष 2",
    "מעלית 3",
    "Pumpe\u00a04",
    "a\u2003b",
)


def search(devices: QuerySet[Device], text: str) -> QuerySet[Device]:
    return unchanging(devices, Filters(text=text.strip()))


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
@pytest.mark.parametrize("name", NAMES)
def test_a_device_is_found_by_its_own_name(name: str, asked: Form, stored: Form) -> None:
    device = make_device(name=normalize(stored, name))
    text = normalize(asked, name)
    for typed in (text, text.lower(), text.upper(), kept(text)[:4]):
        assert list(search(Device.objects.all(), typed)) == [device], typed


@pytest.mark.parametrize(
    ("name", "text"),
    [("İstanbul-7", "istanbul"), ("ISPARTA", "\u0131sparta"), ("ΟΔΟΣ 5", "οδος"), ("ΟΔΟΣΗΜΟ", "οδοσ")],
)
def test_letters_whose_case_depends_on_language_or_place_are_found_by_either(name: str, text: str) -> None:
    device = make_device(name=name)
    assert list(search(Device.objects.all(), text)) == [device]


@pytest.mark.parametrize("name", ["0:\u00a1:0", "0:U", "0\u00a1U", "pump-uu", "uuid", "U 7"])
def test_a_word_that_marks_uuids_finds_only_the_devices_that_have_it(name: str) -> None:
    device = make_device(name=name)
    make_device(name="0 pump 7")
    assert list(search(Device.objects.all(), name)) == [device]


class AnyName(TestCase):
    # Letters that every database knows to be some; and without u, which the marker of UUIDs begins with:
    # PostgreSQL 15 finds nothing by it before a sign that parts words for PostgreSQL alone ("U¡0").
    @given(st.text(st.characters(max_codepoint=0x24F, exclude_characters="uU"), max_size=30).map(kept))
    def test_finds_its_device(self, name: str) -> None:
        device = make_device(name=name)
        found = search(Device.objects.all(), name[:200])
        assert list(found) == ([device] if words_of(name) or not name.strip() else [])
        device.delete()


@pytest.fixture
def device() -> Device:
    make_device(name="another", notes="nothing of interest")
    return make_device(
        uuid="e3b0c442" * 4,
        name="kiosk-central-07",
        notes="Left of platform 2. Schlüssel im Büro!",
        tags={"site": "main station", "line": "1"},
        ip_addresses=["10.20.4.17", "fe80::dea6"],
        public_address="84.212.31.7",
    )


@pytest.mark.parametrize(
    "text",
    [
        "kiosk",
        "KIOSK",
        "kio cent",
        "kiosk-central-07",
        "central-07",
        "07",
        "platform",
        "schlüss büro",
        "SCHLÜSSEL",
        "site",
        "station",
        "10.20.4.17",
        "10.20",
        "84.212.31.7",
        "fe80::dea6",
        "e3b0c",
        "e3b0c442e3b0c442e3b0c442e3b0c442",
        "E3B0C",
        "kiosk e3b0",
        "  kiosk  ",
    ],
)
def test_beginnings_of_words_and_of_the_uuid_are_found(device: Device, text: str) -> None:
    assert list(search(Device.objects.all(), text)) == [device]


@pytest.mark.parametrize(
    "text",
    ["iosk", "20.10", "4.10.20", "entral", "0c442", "kiosk zebra", "84.212.31.8", "central-08", "e3b0c443"],
)
def test_other_parts_are_not(device: Device, text: str) -> None:
    assert list(search(Device.objects.all(), text)) == []


@pytest.mark.parametrize(
    "text", ["", "   ", "'", "&|!<->():*", "%", "\\", "--", "'; DROP TABLE devices_device; --"]
)
def test_marks_alone_find_nothing_and_are_never_an_error(device: Device, text: str) -> None:
    assert search(Device.objects.all(), text).count() == (0 if text.strip() else 2)


@pytest.mark.parametrize("text", ["\u2013", "“kiosk”", "\u200b", "🙂", "a" * 5000, "x " * 300])
def test_odd_text_is_never_an_error(device: Device, text: str) -> None:
    assert search(Device.objects.all(), text).count() in {0, 1}


def test_long_notes_are_searched_as_far_as_a_vector_reaches() -> None:
    device = make_device(uuid=make_uuid(), name="long", notes="beginning " + "filler " * 200_000 + "ending")
    assert list(search(Device.objects.all(), "beginning")) == [device]
    assert list(search(Device.objects.all(), "ending")) == []
