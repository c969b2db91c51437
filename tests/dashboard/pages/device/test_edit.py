"""Name, notes, tags and poll interval: edited in their place, or on a page of their own."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.models import Device
from devices.operations.editing import edit
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_member
from tests.pages import HTMX, text_of

pytestmark = pytest.mark.django_db

FIELDS = ("name", "notes", "tags", "poll-interval")
# session, person, organizations, clock, device
QUERIES = 5


def address(device: Device, field: str) -> str:
    return f"/devices/{device.uuid}/{field}/"


def seen_in(html: str) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', html)
    assert found
    return found.group(1)


def post(client: Client, device: Device, field: str, *, htmx: bool = False, **said: str) -> str:
    """Save what is said over what the form shows now; returns the answer's HTML."""
    path = address(device, field)
    said = {"seen": seen_in(client.get(path).content.decode())} | said
    return client.post(path, said, headers=HTMX if htmx else None).content.decode()


@pytest.mark.parametrize(
    ("field", "said", "facts", "words"),
    [
        ("name", {"name": " kiosk-2 "}, {"name": "kiosk-2"}, "Name saved."),
        ("notes", {"notes": "Left.\r\nKey?"}, {"notes": "Left.\nKey?"}, "Notes saved."),
        ("tags", {"tags": "site = b\n\n spare"}, {"tags": {"site": "b", "spare": ""}}, "spare"),
        ("poll-interval", {"every": "24", "unit": "h"}, {"poll_interval": 86400}, "24 h (device setting)"),
        ("poll-interval", {"every": "", "unit": "h"}, {"poll_interval": None}, "15 min (site setting)"),
    ],
)
def test_without_script_a_page_asks_and_the_summary_shows_what_was_saved(
    reader: Client, fleet: Fleet, field: str, said: dict[str, str], facts: dict[str, object], words: str
) -> None:
    device = make_device(fleet, name="kiosk-1", tags={"site": "a"}, poll_interval=60)
    path = address(device, field)
    seen = seen_in(reader.get(path).content.decode())
    done = reader.post(path, {"seen": seen} | said)
    assert (done.status_code, done["Location"]) == (302, f"/devices/{device.uuid}/")
    assert Device.objects.filter(pk=device.pk).values(*facts).get() == facts
    assert words in text_of(reader.get(done["Location"]))


def test_in_its_place_the_form_comes_alone_and_a_refresh_leaves_it(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, notes="Left.")
    form = reader.get(address(device, "notes"), headers=HTMX).content.decode()
    assert "<html" not in form
    assert 'id="fact-notes" class="fact-edited" hx-morph-skip' in form
    assert "autofocus" in form
    saved = post(reader, device, "notes", htmx=True, notes="Right.")
    assert 'id="fact-notes" class="fact"' in saved
    assert "Right." in saved
    assert "hx-morph-skip" not in saved
    page = reader.get(f"/devices/{device.uuid}/").content.decode()
    assert saved.replace(" autofocus", "").replace(", saved", "").split("</dd>")[0].strip() in page


def test_a_new_name_reaches_the_heading(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, name="old")
    saved = post(reader, device, "name", htmx=True, name="new")
    assert '<h1 id="device-h" hx-swap-oob="true"><bdi>new</bdi></h1>' in saved
    assert "hx-swap-oob" not in post(reader, device, "notes", htmx=True, notes="Left.")


@pytest.mark.parametrize("htmx", [False, True])
def test_a_conflict_shows_both_texts_and_who_wrote_the_other(
    reader: Client, organization: Organization, fleet: Fleet, *, htmx: bool
) -> None:
    device = make_device(fleet, notes="old")
    path, headers = address(device, "notes"), HTMX if htmx else None
    seen = seen_in(reader.get(path).content.decode())
    ada = make_member(organization, username="ada")
    edit(device=device, actor=ada, field="notes", value="hers\nin two lines", seen=seen)
    refused = reader.post(path, {"seen": seen, "notes": "mine"}, headers=headers)
    html = refused.content.decode()
    assert refused.status_code == 409
    assert "Nothing was saved. ada changed this 0 s ago" in text_of(refused)
    assert "This is saved now: hers in two lines" in text_of(refused)
    assert ">\nmine</textarea>" in html
    assert Device.objects.get().notes == "hers\nin two lines"
    again = reader.post(path, {"seen": seen_in(html), "notes": "mine, hers"}, headers=headers)
    assert again.status_code == (200 if htmx else 302)
    assert Device.objects.get().notes == "mine, hers"


def test_a_conflict_with_the_device_itself_names_nobody(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    path = address(device, "poll-interval")
    edit(device=device, actor=None, field="poll_interval", value=600)
    seen = seen_in(reader.get(path).content.decode())
    Device.objects.update(poll_interval=1200)
    refused = reader.post(path, {"seen": seen, "every": "5", "unit": "min"})
    assert "Nothing was saved. Somebody else changed this meanwhile. This is saved now: 20 min" in text_of(
        refused
    )


@pytest.mark.parametrize(
    ("field", "said", "words"),
    [
        ("name", {"name": "n" * 256}, "at most 255 characters"),
        ("notes", {"notes": "n" * 20_001}, "at most 20000 characters"),
        ("tags", {"tags": "= b"}, "“= b” has no name before the =."),
        ("tags", {"tags": "a = 1\na = 2"}, "“a” occurs twice"),
        ("tags", {"tags": f"a = {'b' * 101}"}, "“a” is too long"),
        ("tags", {"tags": "\n".join(map(str, range(51)))}, "up to 50 tags, not 51"),
        ("poll-interval", {"every": "9", "unit": "s"}, "from 10 s to 24 h, not 9 s"),
        ("poll-interval", {"every": "25", "unit": "h"}, "from 10 s to 24 h, not 25 h"),
        ("poll-interval", {"every": "x", "unit": "h"}, "a whole number"),
    ],
)
def test_what_cannot_be_saved_says_why_and_is_kept(
    reader: Client, fleet: Fleet, field: str, said: dict[str, str], words: str
) -> None:
    device = make_device(fleet, name="old")
    before = Device.objects.values().get()
    html = post(reader, device, field, htmx=True, **said)
    assert words in html
    assert "hx-morph-skip" in html
    assert Device.objects.values().get() == before


def test_a_long_interval_says_what_it_hides_and_another_one_in_force_is_named(
    reader: Client, fleet: Fleet
) -> None:
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk], clock.now())
    Device.objects.update(poll_interval=86400)
    words = text_of(reader.get(f"/devices/{device.uuid}/")).replace("\u00a0", " ")
    assert "24 h (device setting) 15 min until its next poll" in words
    assert "A device that is switched off is noticed after up to 36 h 15 s" in words


def test_the_form_says_what_an_interval_hides(reader: Client, fleet: Fleet) -> None:
    words = text_of(reader.get(address(make_device(fleet), "poll-interval"))).replace("\u00a0", " ")
    assert "Leave empty to use 15 min (site setting)." in words
    assert "At 24 h, a device that is switched off is noticed after up to 36 h 15 s" in words


def test_observers_see_no_pencils_and_are_refused(
    client: Client, organization: Organization, fleet: Fleet
) -> None:
    device = make_device(fleet)
    client.force_login(make_member(organization, Role.OBSERVER))
    page = client.get(f"/devices/{device.uuid}/").content.decode()
    assert re.findall(r'id="edit-(\w+)"', page) == []
    for field in FIELDS:
        assert client.get(address(device, field)).status_code == 403
    client.force_login(make_member(organization, Role.OPERATOR))
    page = client.get(f"/devices/{device.uuid}/").content.decode()
    assert re.findall(r'id="edit-(\w+)"', page) == ["name", "poll_interval", "tags", "notes"]


def test_strangers_get_404(reader: Client) -> None:
    device = make_device()
    for field in FIELDS:
        assert reader.get(address(device, field)).status_code == 404
        assert reader.post(address(device, field), {"notes": "x"}).status_code == 404


def test_query_count(reader: Client, fleet: Fleet, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    device = make_device(fleet)
    for rows in (0, 29):
        for _ in range(rows):
            make_device(fleet)
        for field in FIELDS:
            for headers in (None, HTMX):
                with django_assert_num_queries(QUERIES):
                    reader.get(address(device, field), headers=headers)
