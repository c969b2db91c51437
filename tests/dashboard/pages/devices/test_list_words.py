"""The words of the list of devices, and what people type into it."""

from __future__ import annotations

from html import unescape
from unicodedata import normalize
from urllib.parse import quote

import pytest
from django.test import Client
from markupsafe import escape
from pytest_django import Settings

from devices.rules.vocabulary import Status
from fleets.models import Fleet
from tests.factories import make_device
from tests.pages import make_every_status, names_in, text_of

pytestmark = pytest.mark.django_db


def test_the_simple_vocabulary_folds_lists_counts_and_filters(
    reader: Client, fleet: Fleet, settings: Settings
) -> None:
    make_every_status(fleet)
    settings.SIMPLE_STATUSES = True
    page = reader.get("/devices/")
    words = text_of(page)
    assert "Only)" not in words
    assert "Frozen" not in words
    folded = {
        "online": 3,
        "offline": 1,
        "configuring": 1,
        "updating": 1,
        "post-provisioning": 1,
        "inactive": 2,
    }
    for slug, number in folded.items():
        assert f"{Status(slug).label} {number} " in words
        assert len(names_in(reader.get(f"/devices/?status={slug}"))) == number
    assert len(names_in(reader.get("/devices/?status=vpn-only"))) == 3
    assert len(names_in(reader.get("/devices/?status=frozen"))) == 2


def test_the_words_of_the_site_are_used(reader: Client, fleet: Fleet, settings: Settings) -> None:
    settings.VPN_WORD, settings.FLEET_WORD = "Cloudlink", "Application"
    make_device(fleet)
    words = text_of(reader.get("/devices/?fleet=nowhere"))
    assert "Cloudlink never seen" in words
    assert "There is no application “nowhere”" in words
    assert " VPN " not in words.replace("Online (VPN Only)", "")
    assert "Applications" in words


def test_empty_lists_say_why_and_what_to_do(reader: Client, fleet: Fleet) -> None:
    words = text_of(reader.get("/fleets/kiosks/"))
    assert "No devices in this fleet yet" in words
    assert "curl -X POST http://testserver/api/v1/register" in words
    assert "An Administrator creates the key." in words
    make_device(fleet)
    assert "No devices match these filters" in text_of(reader.get("/devices/?status=offline"))
    assert "“zebra”" in text_of(reader.get("/devices/?q=zebra"))


def test_names_are_escaped_and_nothing_is_inline(reader: Client, fleet: Fleet) -> None:
    evil = '"><script>alert(1)</script>'
    make_device(fleet, name=evil, notes=evil, tags={evil: evil}, os_version=evil, release=evil)
    html = reader.get(f"/devices/?q={quote('alert')}").content.decode()
    assert escape(evil) in html
    assert "<script>" not in html
    assert " style=" not in html
    assert "onclick" not in html


def test_nul_bytes_in_a_search_are_ignored(reader: Client, fleet: Fleet) -> None:
    make_device(fleet, name="d")
    assert names_in(reader.get("/devices/?q=%00d%00")) == ["d"]


@pytest.mark.parametrize("text", ["%", "_", "'", "&|!", "\u2026"])
def test_a_search_without_a_word_says_so_and_offers_nothing_that_matches(
    reader: Client, fleet: Fleet, text: str
) -> None:
    make_device(fleet, name="kiosk-1")
    page = reader.get("/devices/", {"q": text})
    assert f"“{text}” has no word to search for" in unescape(text_of(page))
    assert names_in(page) == []
    assert 'id="select-matching"' not in page.content.decode()
    data = {"action": "deactivate", "all": "1", "query": f"?q={quote(text)}"}
    assert "No device is selected" in text_of(reader.post("/devices/selections/", data, follow=True))


def test_a_tag_is_found_in_whichever_form_it_is_asked_for(reader: Client, fleet: Fleet) -> None:
    make_device(fleet, name="kiosk-1", tags={"Ort": "Łódź"})
    for asked in ("NFC", "NFD"):
        page = reader.get("/devices/", {"tag": normalize(asked, "Ort=Łódź")})
        assert names_in(page) == ["kiosk-1"]


@pytest.mark.parametrize("digits", [1, 19, 20, 309, 4300, 5000])
def test_a_tag_may_be_a_number_of_any_length(reader: Client, fleet: Fleet, digits: int) -> None:
    make_device(fleet, name="kiosk-1", tags={"site": int("9" * min(digits, 4000))})
    page = reader.get("/devices/", {"tag": f"site={'9' * digits}"})
    assert names_in(page) == (["kiosk-1"] if digits <= 100 else [])
