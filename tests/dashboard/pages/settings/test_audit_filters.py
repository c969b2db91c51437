"""The filters of the audit log's page: each is in its address."""

from __future__ import annotations

from datetime import UTC, datetime
from unicodedata import normalize

import pytest
from django.test import Client

from dashboard.models import User
from fleets.models import Organization, Role
from tests.dashboard.pages.settings.audit_log import PATH, shown, write
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization(slug="halden", name="Halden")


@pytest.fixture
def ada(organization: Organization) -> User:
    return make_member(organization, Role.ADMINISTRATOR, "ada")


@pytest.fixture
def reader(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Kiosks", "two", "two", "one"]),
        ("?who=ada", ["Kiosks", "one"]),
        ("?who=ADA", ["Kiosks", "one"]),
        ("?who=ad", []),
        ("?who=the+console", ["two"]),
        ("?action=fleet-changed", ["Kiosks"]),
        ("?kind=device", ["two", "two", "one"]),
        (f"?kind=device&id={'b' * 32}", ["two", "two"]),
        ("?from=2026-03-03", ["Kiosks", "two", "two"]),
        ("?to=2026-03-03", ["two", "one"]),
        ("?from=2026-03-03&to=2026-03-03", ["two"]),
        ("?q=raspb", ["Kiosks"]),
        ("?q=KIOSK+nuc", ["Kiosks"]),
        ("?q=aaaaaaaa", ["one"]),
        ("?q=ada&action=device-moved", ["one"]),
        ("?q=!+%26", []),
        ("?q=nothing-like-this", []),
    ],
)
def test_filters_are_the_address(reader: Client, varied: None, query: str, found: list[str]) -> None:
    assert shown(reader, query) == found


def test_days_are_the_viewers(reader: Client, organization: Organization) -> None:
    write(organization, at=datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
    assert shown(reader, "?from=2026-03-03") == []
    reader.cookies["tz"] = "Asia/Tokyo"
    assert shown(reader, "?from=2026-03-03") == ["kiosk-1"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?action=x", "There is no action “x”"),
        ("?kind=x", "There is no kind “x”"),
        ("?from=yesterday", "“yesterday” is not a date"),
        ("?to=9999-12-31", "“9999-12-31” is not a date"),
        ("?from=0001-01-01", "“0001-01-01” is not a date"),
        ("?after=x", "The address names an unknown place in this log"),
    ],
)
def test_what_is_unknown_is_left_out_and_said(reader: Client, varied: None, query: str, said: str) -> None:
    assert len(shown(reader, query)) == 4
    assert said in text_of(reader.get(PATH + query))


@pytest.mark.parametrize(
    "query", ["?q=%00", "?who=%00", "?id=%00", "?q=" + "x" * 5000, "?after=%00&before=y"]
)
def test_odd_addresses_do_no_harm(reader: Client, varied: None, query: str) -> None:
    assert reader.get(PATH + query).status_code == 200


def test_a_filter_without_entries_says_how_to_go_on(reader: Client, varied: None) -> None:
    page = reader.get(f"{PATH}?q=nowhere")
    assert "No entries match" in text_of(page)
    assert f'<a class="btn" href="{PATH}">Clear filters</a>' in page.content.decode()


@pytest.mark.parametrize("text", ["%", "_", "'", "! &"])
def test_a_search_without_a_word_says_so(reader: Client, varied: None, text: str) -> None:
    page = text_of(reader.get(PATH, {"q": text}))
    assert "No entries match" in page
    assert "has no word to search for. A word has letters or digits." in page


@pytest.mark.parametrize("name", ["İstanbul-7", "ΣΤΑΘΜΟΣ", "서울"])
def test_a_line_is_found_by_its_name_in_any_form(
    reader: Client, organization: Organization, name: str
) -> None:
    write(organization, subject=("device", "a" * 32, normalize("NFD", name)))
    for text in (name, normalize("NFD", name), name.lower()):
        assert len(reader.get(PATH, {"q": text}).context["lines"]) == 1


def test_names_lead_to_their_lines(reader: Client, varied: None) -> None:
    html = reader.get(PATH).content.decode()
    assert f'href="{PATH}?who=device%20two"' in html
    assert f'href="{PATH}?kind=device&amp;id={"b" * 32}"' in html
