"""Columns of the Devices page: the address decides; without one, what the person chose for all lists."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from dashboard.models import User
from dashboard.pages.devices.columns import DEFAULT
from fleets.models import Fleet
from tests.factories import make_device
from tests.pages import html_of, refresh, text_of

pytestmark = pytest.mark.django_db

USUAL = ["Fleet", "Status", "VPN API", "Last contact", "Release", "OS version", "Tags", "IP address"]
ALWAYS = ["Status", "VPN API"]


@pytest.fixture(autouse=True)
def device(fleet: Fleet) -> None:
    make_device(
        fleet, device_type="Pi", supervisor_version="4.2", notes="Left.", tags={"site": "a"}, os_version="Deb"
    )


def heads(client: Client, path: str = "/devices/") -> list[str]:
    html = client.get(path).content.decode().split("<thead")[1].split("</thead>")[0]
    cells = re.findall(r"<th[^>]*>(.*?)</th>", html, re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cell)).strip() for cell in cells][2:]


def cells(client: Client, path: str) -> int:
    return client.get(path).content.decode().split("<tbody")[1].split("</tbody>")[0].count("<td")


def test_the_usual_columns(reader: Client) -> None:
    assert heads(reader) == USUAL
    assert heads(reader, "/fleets/kiosks/") == USUAL[1:]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?columns=os", [*ALWAYS, "OS version"]),
        ("?columns=added&columns=type", [*ALWAYS, "Type", "Added"]),
        ("?columns=fleet&columns=notes", ["Fleet", *ALWAYS, "Notes"]),
        ("?columns=tags&columns=supervisor", [*ALWAYS, "Tags", "Supervisor"]),
        ("?columns=status", ALWAYS),
        ("?columns=", USUAL),
    ],
)
def test_the_address_decides_in_a_fixed_order(reader: Client, query: str, shown: list[str]) -> None:
    assert heads(reader, f"/devices/{query}") == shown
    assert cells(reader, f"/devices/{query}") == len(shown) + 1  # and the tick box
    assert 'class="dt cards devices chosen"' in reader.get("/devices/?columns=os").content.decode()


def test_chosen_columns_say_what_they_are_about(reader: Client) -> None:
    words = text_of(reader.get("/devices/?columns=type&columns=supervisor&columns=notes&columns=tags"))
    for said in ("Pi", "4.2", "Left.", "site = a"):
        assert said in words


def test_what_is_unknown_or_too_much_is_left_out_with_a_notice(reader: Client) -> None:
    page = reader.get("/devices/?columns=luck&columns=os")
    assert "There is no column “luck”. It was ignored." in text_of(page)
    query = "&".join(
        f"columns={name}" for name in ("fleet", "contact", "release", "os", "ip", "type", "tags")
    )
    assert heads(reader, f"/devices/?{query}")[-1] == "IP address"
    assert "A list has up to 6 columns" in text_of(reader.get(f"/devices/?{query}"))


def test_the_menu_puts_columns_there_and_takes_them_away(reader: Client) -> None:
    html = reader.get("/devices/?sort=name&columns=os&columns=type").content.decode()
    menu = html.split('id="menu-columns"')[1].split("</details>")[0].replace("&amp;", "&")
    assert 'href="?sort=name&columns=type" aria-current="true"><bdi>OS version' in menu
    assert 'href="?sort=name&columns=os&columns=tags&columns=type"><bdi>Tags' in menu
    assert 'href="?sort=name">My usual columns' in menu
    last = reader.get("/devices/?columns=os").content.decode()
    assert 'href="?columns=status" aria-current="true"><bdi>OS version' in last


def test_a_full_list_says_why_no_other_column_fits(reader: Client) -> None:
    query = "&".join(f"columns={name}" for name in (*DEFAULT, "type"))
    menu = html_of(reader.get(f"/devices/?{query}")).split('id="menu-columns"')[1]
    assert (
        menu.split("</details>")[0].count('aria-disabled="true"><span>')
        == menu.count('<span class="sub">No more columns fit')
        == 4
    )
    assert "No more columns fit. Remove one first." in menu


def test_what_a_person_chose_is_remembered_and_the_address_still_decides(reader: Client, user: User) -> None:
    asked = reader.get("/devices/?columns=os&sort=name").content.decode()
    assert 'id="remember-columns"' in asked
    done = reader.post("/devices/columns/", {"columns": ["os", "luck"], "next": "/devices/?sort=name"})
    assert done["Location"] == "/devices/?sort=name"
    user.refresh_from_db()
    assert user.list_columns == ["os"]
    assert heads(reader) == [*ALWAYS, "OS version"]
    assert heads(reader, "/devices/?columns=ip") == [*ALWAYS, "IP address"]
    assert 'id="remember-columns"' not in reader.get("/devices/?columns=os").content.decode()
    reader.post("/devices/columns/", {"next": "https://elsewhere.example/"})
    assert heads(reader) == USUAL


def test_it_leads_nowhere_else(reader: Client) -> None:
    done = reader.post("/devices/columns/", {"columns": "os", "next": "https://elsewhere.example/"})
    assert done["Location"] == "/devices/"
    assert reader.get("/devices/columns/").status_code == 405


def test_a_refresh_brings_the_same_columns(reader: Client) -> None:
    page = reader.get("/devices/?columns=type")
    assert refresh(reader, "/devices/?columns=type", page["HX-PTag"]).status_code == 304
    assert "Supervisor" not in text_of(refresh(reader, "/devices/?columns=type")).split("Device")[-1]
