"""Text search over devices."""

import pytest

from devices.models import Device
from devices.pages.search import search
from tests.factories import make_device, make_uuid

pytestmark = pytest.mark.django_db


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
def test_marks_alone_are_no_search_and_never_an_error(device: Device, text: str) -> None:
    found = search(Device.objects.all(), text)
    assert found.count() == (2 if "DROP" not in text else 0)


@pytest.mark.parametrize("text", ["\u2013", "“kiosk”", "\u200b", "🙂", "a" * 5000, "x " * 300])
def test_odd_text_is_never_an_error(device: Device, text: str) -> None:
    assert search(Device.objects.all(), text).count() in {0, 1}


def test_long_notes_are_searched_as_far_as_a_vector_reaches() -> None:
    device = make_device(uuid=make_uuid(), name="long", notes="beginning " + "filler " * 200_000 + "ending")
    assert list(search(Device.objects.all(), "beginning")) == [device]
    assert list(search(Device.objects.all(), "ending")) == []
