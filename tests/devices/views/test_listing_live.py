"""The Devices page while it is open: refreshes, pinned rows, and what both cost."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import connectivity
from fleets.models import Fleet, Organization
from tests.factories import make_device, make_fleet
from tests.pages import HTMX, names_in, refresh, text_of, uuids_in

pytestmark = pytest.mark.django_db

# session, person, organizations, fleets (or the fleet), clock; page, counts
QUERIES = 7
# the same, and the rows on screen
REFRESH_QUERIES = 8
VIEWS = 1  # above the list, on the whole page alone


def test_query_counts_do_not_grow(
    reader: Client, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fleets = [make_fleet(organization) for _ in range(5)]
    make_device(fleets[0])
    for rows in (1, 30):
        for number in range(rows - 1):
            make_device(fleets[number % 5])
        with django_assert_num_queries(QUERIES + VIEWS):
            page = reader.get("/devices/?per_page=50")
        with django_assert_num_queries(QUERIES):
            reader.get(f"/fleets/{fleets[0].slug}/")
        with django_assert_num_queries(QUERIES + VIEWS):
            reader.get("/devices/?status=offline&q=device&sort=contact")
        with django_assert_num_queries(REFRESH_QUERIES):
            assert refresh(reader, "/devices/?per_page=50", shown=uuids_in(page)).status_code == 200
        with django_assert_num_queries(REFRESH_QUERIES):
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
    make_device(fleet, name="first")
    second = make_device(fleet, name="second")
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
