"""The filtered list as a file: exactly its devices, in its order, with the facts that the pages show."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dashboard.models import User
from devices import clock, connectivity
from devices.listing.export_rows import COLUMNS
from devices.models import Device
from devices.rules.vocabulary import Status
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import fetch, make_every_status, names_in, rows_of

pytestmark = pytest.mark.django_db


def csv_rows(client: Client, query: str = "") -> list[dict[str, str]]:
    return rows_of(fetch(client, f"/devices/devices.csv{query}"))


def json_rows(client: Client, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(fetch(client, f"/devices/devices.json{query}"))
    return rows


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?sort=name",
        "?sort=-name&status=offline&status=frozen",
        "?q=a-off",
        "?heartbeat=recent&sort=contact",
        "?tag=site=a",
        "?status=great",
        "?q=nowhere",
    ],
)
def test_a_file_is_exactly_the_list_of_the_same_address(reader: Client, fleet: Fleet, query: str) -> None:
    made = make_every_status(fleet)
    Device.objects.filter(pk__in=[made["online"].pk, made["offline"].pk]).update(tags={"site": "a"})
    listed = names_in(reader.get(f"/devices/{query}"))
    assert [row["name"] for row in csv_rows(reader, query)] == listed
    assert [row["name"] for row in json_rows(reader, query)] == listed


def test_the_page_of_a_fleet_leads_to_its_devices_alone(
    reader: Client, organization: Organization, fleet: Fleet
) -> None:
    make_device(fleet, name="here")
    make_device(make_fleet(organization), name="there")
    html = reader.get("/fleets/kiosks/?q=e&fleet=other").content.decode()
    assert 'href="/devices/devices.csv?q=e&amp;fleet=kiosks"' in html
    assert [row["name"] for row in csv_rows(reader, "?q=h&fleet=kiosks")] == ["here"]


def test_a_row_holds_what_the_pages_say(reader: Client, fleet: Fleet) -> None:
    at = clock.now()
    device = make_device(
        fleet,
        name="kiosk-1",
        device_type="Pi",
        os_version="Debian 12.8",
        supervisor_version="4.2",
        release="1.0",
        target_release="1.1",
        ip_addresses=["10.0.0.7", "fe80::1"],
        mac_addresses=["dc:a6"],
        public_address="203.0.113.7",
        tags={"site": "a"},
        notes="Left.\nKey?",
        poll_interval=300,
    )
    connectivity.record_heartbeats([device.pk], at)
    said = json_rows(reader)[0]
    assert tuple(said) == COLUMNS
    now = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert said == {
        "uuid": device.uuid,
        "name": "kiosk-1",
        "organization": fleet.organization.slug,
        "fleet": "kiosks",
        "fleet_name": "kiosks",
        "status": "heartbeat-only",
        "status_label": "Online (Heartbeat Only)",
        "status_since": now,
        "needs_attention": True,
        "vpn_connected": False,
        "vpn_since": None,
        "vpn_used": True,
        "heartbeat": "recent",
        "heartbeat_since": now,
        "last_poll": now,
        "last_contact": now,
        "type": "Pi",
        "os_version": "Debian 12.8",
        "supervisor_version": "4.2",
        "release": "1.0",
        "target_release": "1.1",
        "update_progress": None,
        "ip_addresses": ["10.0.0.7", "fe80::1"],
        "public_address": "203.0.113.7",
        "mac_addresses": ["dc:a6"],
        "tags": {"site": "a"},
        "notes": "Left.\nKey?",
        "poll_interval": 300,
        "added": "2026-03-02T12:00:00Z",
    }
    row = csv_rows(reader)[0]
    assert (row["tags"], row["vpn_since"], row["notes"]) == ('{"site": "a"}', "", "Left.\nKey?")
    assert row["ip_addresses"] == '["10.0.0.7", "fe80::1"]'


@pytest.mark.parametrize(
    ("fleets", "own", "said"), [(None, None, None), (None, True, True), (False, None, False)]
)
def test_a_vpn_that_is_not_used_yet_is_neither_used_nor_not(
    reader: Client, fleet: Fleet, *, fleets: bool | None, own: bool | None, said: bool | None
) -> None:
    Fleet.objects.update(vpn_enabled=fleets)
    make_device(fleet, vpn_setting=own, vpn_enabled=bool(own))
    assert json_rows(reader)[0]["vpn_used"] is said
    assert csv_rows(reader)[0]["vpn_used"] == ("" if said is None else str(said).lower())


def test_every_status_has_its_slug_and_its_label(reader: Client, fleet: Fleet) -> None:
    make_every_status(fleet)
    said = {row["status"]: row["status_label"] for row in csv_rows(reader)}
    assert said == dict(Status.choices)


def test_the_simple_vocabulary_folds_as_the_list_does(
    reader: Client, fleet: Fleet, settings: Settings
) -> None:
    settings.SIMPLE_STATUSES = True
    make_every_status(fleet)
    rows = csv_rows(reader, "?status=online")
    assert [(row["status"], row["status_label"]) for row in rows] == [("online", "Online")] * 3


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_cells_that_a_spreadsheet_would_run_are_quoted(reader: Client, fleet: Fleet, first: str) -> None:
    evil = f"{first}cmd|' /C calc'!A0"
    make_device(fleet, name=evil, notes=evil, release=evil, ip_addresses=[evil], tags={evil: evil})
    row = csv_rows(reader)[0]
    assert (row["name"], row["notes"], row["release"]) == (f"'{evil}",) * 3
    assert row["ip_addresses"].startswith('["')
    assert row["tags"].startswith('{"')
    assert json_rows(reader)[0]["name"] == evil


@pytest.mark.parametrize(
    ("query", "name"),
    [("", "devices-halden"), ("?fleet=kiosks", "devices-kiosks"), ("?fleet=kiosks&fleet=other", "devices")],
)
def test_a_file_is_named_dated_and_kept_by_nobody(client: Client, query: str, name: str) -> None:
    organization = make_organization(slug="halden")
    for slug in ("kiosks", "other"):
        make_fleet(organization, slug=slug)
    client.force_login(make_member(organization, Role.OBSERVER))
    response = client.get(f"/devices/devices.csv{query}")
    day = clock.now().date()
    assert response["Content-Disposition"] in {
        f'attachment; filename="{name}-{each}.csv"' for each in (day, day + timedelta(days=1))
    }
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in response["Cache-Control"]


def test_strangers_and_their_devices_stay_apart(reader: Client, user: User, fleet: Fleet) -> None:
    make_device(fleet, name="mine")
    foreign = make_device(name="secret")
    assert [row["name"] for row in csv_rows(reader)] == ["mine"]
    assert [row["name"] for row in csv_rows(reader, f"?fleet={foreign.fleet.slug}")] == ["mine"]
    assert reader.get(f"/devices/devices.csv?org={foreign.organization.slug}").status_code == 404


def test_one_statement_reads_them_all_a_batch_at_a_time(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.listing.export_rows.BATCH", 10)
    for number in range(35):
        make_device(fleet, name=f"d-{number:02}")
    with CaptureQueriesContext(connection) as queries:
        rows = json_rows(reader, "?sort=name")
    assert [row["name"] for row in rows] == [f"d-{number:02}" for number in range(35)]
    # session, person, organizations, clock; devices
    assert len(queries) == 5


@pytest.mark.django_db(transaction=True)
def test_who_goes_away_early_leaves_no_cursor_behind(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.listing.export_rows.BATCH", 2)
    for _ in range(9):
        make_device(fleet)

    async def leave() -> list[int]:
        asked = AsyncClient()
        asked.cookies = reader.cookies
        response: Any = await asked.get("/devices/devices.json")
        await anext(aiter(response))
        reading = await sync_to_async(open_cursors)()
        await sync_to_async(response.close)()
        return [reading, await sync_to_async(open_cursors)()]

    assert async_to_sync(leave)() == [1, 0]


@pytest.mark.django_db(transaction=True)
def test_exports_are_few_at_once_and_who_is_refused_is_told_when_to_try_again(
    reader: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.http.file_response.AT_ONCE", 3)
    other = Client()
    other.force_login(make_member(organization, Role.OBSERVER))

    async def ask(client: Client, path: str = "/devices/devices.csv") -> Any:
        asked = AsyncClient()
        asked.cookies = client.cookies
        return await asked.get(path)

    async def all_at_once() -> list[Any]:
        under_way = [await ask(reader), await ask(reader), await ask(other)]
        refused = [await ask(reader), await ask(other, "/devices/devices.json")]
        await sync_to_async(under_way.pop().close)()
        after = await ask(other)
        foreign = await ask(other, "/devices/devices.csv?org=nobodys")
        return [*refused, after, foreign, *under_way]

    mine, theirs, after, foreign, *_ = async_to_sync(all_at_once)()
    assert [mine.status_code, theirs.status_code, after.status_code] == [429, 503, 200]
    assert "You are already downloading two exports" in mine.content.decode()
    assert "Try again in a minute" in theirs.content.decode()
    assert mine["Retry-After"] == theirs["Retry-After"] == "60"
    assert foreign.status_code == 503


def test_an_export_gives_up_its_place_at_its_end_and_where_there_is_none(
    reader: Client, fleet: Fleet
) -> None:
    make_device(fleet)
    for _ in range(5):
        assert len(csv_rows(reader)) == 1
        assert reader.get("/devices/devices.csv?org=nobodys").status_code == 404


def open_cursors() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE name LIKE %s", ["_django_curs_%"])
        return int(cursor.fetchone()[0])
