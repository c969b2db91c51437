"""The Devices page while it is open: refreshes, pinned rows, and what both cost."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import connectivity
from devices.listing import facet_counts
from fleets.models import Fleet, Organization
from tests.factories import make_device, make_fleet
from tests.pages import HTMX, make_every_status, names_in, refresh, text_of, uuids_in

pytestmark = pytest.mark.django_db

# session, person, organizations, fleets (or the fleet), clock; what the clock moved, ids, rows,
# which of their links change often, counts
QUERIES = 10
# the same; whether few or many of those that configure or update have stalled
BY_ATTENTION = 11
# the same; how many poll in the cells asked for
BY_CONTACT = 11
# the same; how many the search finds at most, twice, and fewer questions for that
SEARCHED = 12
# the second, and the rows on screen, where a fresh list has others or another order
MOVED = 12
VIEWS = 1  # above the list, on the whole page alone
PICTURE = 1  # of a fleet over time


def test_query_counts_do_not_grow(
    reader: Client, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fleets = [make_fleet(organization) for _ in range(5)]
    make_device(fleets[0])
    for rows in (1, 30):
        for number in range(rows - 1):
            make_device(fleets[number % 5])
        with django_assert_num_queries(BY_ATTENTION + VIEWS):
            page = reader.get("/devices/?per_page=50")
        with django_assert_num_queries(BY_ATTENTION + PICTURE):
            reader.get(f"/fleets/{fleets[0].slug}/")
        for sort in ("name", "-attention", "release"):
            with django_assert_num_queries(QUERIES + VIEWS):
                reader.get(f"/devices/?status=offline&status=post-provisioning&sort={sort}")
        with django_assert_num_queries(BY_CONTACT + VIEWS):
            reader.get("/devices/?sort=contact")
        with django_assert_num_queries(SEARCHED + VIEWS):
            reader.get("/devices/?status=post-provisioning&q=device&sort=contact")
        with django_assert_num_queries(MOVED):
            turned = refresh(reader, "/devices/?per_page=50", shown=f"{'0' * 32},{uuids_in(page)}")
        assert turned.status_code == 200
        with django_assert_num_queries(BY_ATTENTION):
            again = refresh(reader, "/devices/?per_page=50", page["HX-PTag"], uuids_in(page))
        assert again.status_code == 304


def test_a_refresh_is_the_live_part_alone_and_304_when_nothing_changed(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    page = reader.get("/devices/")
    shown = uuids_in(page)
    unchanged = refresh(reader, "/devices/", page["HX-PTag"], shown)
    assert unchanged.status_code == 304
    assert unchanged.content == b""
    assert unchanged["HX-PTag"] == page["HX-PTag"]
    connectivity.record_heartbeats([device.pk])
    changed = refresh(reader, "/devices/", page["HX-PTag"], shown)
    assert changed.status_code == 200
    assert changed["HX-PTag"] != page["HX-PTag"]
    assert b"<html" not in changed.content
    assert names_in(changed) == [device.name]
    for header in ("HX-Request", "HX-PTag", "HX-Shown", "Cookie"):
        assert header in changed["Vary"]
    restored = reader.get("/devices/", headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert b"<html" in restored.content


def test_a_refresh_keeps_rows_and_order_and_offers_to_sort_again(reader: Client, fleet: Fleet) -> None:
    second = make_device(fleet, name="second")
    make_device(fleet, name="first")  # of two that changed at once, the newer one comes first
    page = reader.get("/devices/")
    assert names_in(page) == ["first", "second"]
    assert "Sort again" not in text_of(refresh(reader, "/devices/", shown=uuids_in(page)))
    connectivity.record_heartbeats([second.pk])
    fresh = refresh(reader, "/devices/", page["HX-PTag"], uuids_in(page))
    assert names_in(fresh) == ["first", "second"]
    assert "Sort again" in text_of(fresh)
    assert names_in(reader.get("/devices/")) == ["second", "first"]
    second.delete()
    gone = refresh(reader, "/devices/", page["HX-PTag"], uuids_in(page))
    assert names_in(gone) == ["first"]
    assert "No longer here" in text_of(gone)


def test_what_is_on_screen_cannot_reach_foreign_devices(reader: Client, fleet: Fleet) -> None:
    foreign = make_device(name="secret")
    make_device(fleet, name="mine")
    response = refresh(reader, "/devices/", shown=f"{foreign.uuid},nonsense,{'f' * 5000}")
    assert "secret" not in text_of(response)
    assert "No longer here" in text_of(response)


def test_counts_that_take_long_come_as_a_fragment_of_their_own(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_every_status(fleet)
    monkeypatch.setattr(facet_counts, "MANY", 2)  # devices that a page still counts
    page = reader.get("/devices/?vpn=connected&sort=name")
    assert names_in(page) == ["a-online", "a-updating", "a-vpn-only"]
    assert "Updating \u2013 " in text_of(page)
    assert "3 of \u2013" in text_of(page)
    assert 'hx-get="?vpn=connected&amp;sort=name&amp;facets=1" hx-trigger="load"' in page.content.decode()
    fragment = reader.get("/devices/?vpn=connected&sort=name&facets=1", headers=HTMX)
    assert "Updating 1 " in text_of(fragment)
    assert "Offline 0 " in text_of(fragment)
    assert b"<table" not in fragment.content
    without_script = reader.get("/devices/?vpn=connected&sort=name&facets=1")
    assert "Updating 1 " in text_of(without_script)
    assert "3 of 3" in text_of(without_script)
    assert 'hx-trigger="load"' not in reader.get("/devices/?status=online").content.decode()


@pytest.mark.parametrize(("most", "shown"), [(2, "\u2013"), (3, "3")])
def test_so_do_those_of_many_silent_devices(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, most: int, shown: str
) -> None:
    """Where all of a million are silent, to count them took longer than the list."""
    for name in "abc":
        make_device(fleet, name=name)
    monkeypatch.setattr(facet_counts, "MANY", most)
    assert f"3 of {shown}" in text_of(reader.get("/devices/?silent=1h"))
    assert "3 of 3" in text_of(reader.get("/devices/?silent=1h&facets=1"))
