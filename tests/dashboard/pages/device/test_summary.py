"""The Device Summary."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from devices import clock, connectivity
from devices.models import Device
from devices.rules.vocabulary import Status
from devices.status.explanation import explain
from fleets.models import Fleet
from tests.factories import make_device, make_fleet, make_member, make_organization, make_uuid
from tests.pages import clock_time, make_every_status, refresh, text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, moved, device, why; its incident; the changes; the links; device
# links; silences; maintenance windows
QUERIES = 13


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(make_organization(), name="kiosks")


@pytest.fixture
def reader(client: Client, fleet: Fleet) -> Client:
    client.force_login(make_member(fleet.organization))
    return client


def address(device: Device) -> str:
    return f"/devices/{device.uuid}/"


def test_every_status_is_explained(reader: Client, fleet: Fleet) -> None:
    for slug, device in make_every_status(fleet).items():
        page = reader.get(address(device))
        words = text_of(page)
        assert f'badge-st-lg" data-st="{slug}"' in page.content.decode()
        assert page.content.decode().count(escape(explain(device).lead)) == 1
        for part in (
            "Why this status",
            "What works now",
            "What to check next",
            "Vitals",
            "Facts",
            "Recent changes",
        ):
            assert part in words


def test_the_next_change_has_a_clock_time_and_a_picture(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    polled = clock.now() - timedelta(minutes=17)
    connectivity.record_heartbeats([device.pk], polled)
    page = reader.get(address(device))
    lost = polled + timedelta(seconds=1365)
    words = text_of(page)
    assert f"Becomes Offline at {clock_time(lost)}" in words
    assert "data-window" in page.content.decode()
    assert "API overdue" in words


def unfolded(page: Any) -> tuple[str, str]:
    """What is said of the status at once, and what only with the rules."""
    told, _, folded = page.content.decode().partition('id="why"')
    return told, folded.partition("</details>")[0]


@pytest.mark.parametrize(
    ("tunnelled", "polled", "near"),
    [
        (False, timedelta(minutes=3), False),  # Online (Heartbeat Only), Offline in 19 min 45 s
        (False, timedelta(minutes=8), True),  # in 14 min 45 s, and it is not well
        (True, timedelta(minutes=8), False),  # Online, and the next poll puts the change off
        (True, timedelta(minutes=17), True),  # that poll is overdue
        (False, timedelta(minutes=22, seconds=35), True),  # late
        (True, timedelta(minutes=22, seconds=35), False),  # late, and nothing follows while the VPN holds
    ],
)
def test_the_next_change_is_said_at_once_only_where_it_is_near_or_the_device_is_late(
    reader: Client, fleet: Fleet, *, tunnelled: bool, polled: timedelta, near: bool
) -> None:
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk], clock.now() - polled)
    if tunnelled:
        connectivity.vpn_connected("vpn-1", [device.uuid], clock.now() - polled)
    else:
        Device.objects.filter(pk=device.pk).update(vpn_setting=True, vpn_enabled=True)
    told, folded = unfolded(reader.get(address(device)))
    assert ('class="next"' in told, 'class="next"' in folded) == (near, not near)
    assert "What the rules check" in folded


def test_a_lease_that_is_about_to_end_is_near(reader: Client, fleet: Fleet) -> None:
    device, at = make_device(fleet), clock.now()
    connectivity.record_heartbeats([device.pk], at)
    connectivity.vpn_alive("vpn-1", [device.uuid], at - timedelta(seconds=35), boot="a")
    told, _ = unfolded(reader.get(address(device)))
    assert 'class="next"' in told


def test_facts_come_before_history(reader: Client, fleet: Fleet) -> None:
    html = reader.get(address(make_device(fleet))).content.decode()
    order = [html.index(f'id="{each}-h"') for each in ("state", "facts", "works", "checks", "connectivity")]
    assert order == sorted(order)


def test_without_a_running_clock_there_is_no_picture(reader: Client, fleet: Fleet) -> None:
    page = reader.get(address(make_every_status(fleet)["offline"]))
    assert "Stays Offline until it reports." in text_of(page)
    assert "data-window" not in page.content.decode()


def test_a_vpn_server_that_never_signs_is_said_to_have_no_end(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    connectivity.vpn_connected("vpn-1", [device.uuid])
    said = "stays connected until vpn-1 reports a disconnect, because it sends no life signs"
    assert said in text_of(reader.get(address(device)))
    connectivity.vpn_alive("vpn-1")
    assert "life signs" not in text_of(reader.get(address(device)))


def test_facts_are_shown_and_what_is_missing_is_not_nought(reader: Client, fleet: Fleet) -> None:
    device = make_device(
        fleet,
        uuid="e" * 62,
        name="kiosk-1",
        device_type="Raspberry Pi 4",
        os_version="Debian 12.8",
        supervisor_version="4.2.0",
        release="2.14.0",
        target_release="2.14.1",
        ip_addresses=["10.20.4.17", "fe80::1"],
        mac_addresses=["dc:a6:32:4f:1b:90"],
        public_address="84.212.31.7",
        tags={"site": "central", "spare": ""},
        notes="Left of the stairs.\nAsk for the key.",
        poll_interval=60,
        metrics={"cpu_percent": 0, "storage_used": 14_000_000_000, "storage_total": 14_600_000_000},
        metrics_at=clock.now(),
    )
    html = reader.get(address(device)).content.decode()
    words = text_of(reader.get(address(device)))
    for said in (
        "Raspberry Pi 4",
        "Debian 12.8",
        "4.2.0",
        "2.14.0 (target: 2.14.1)",
        "10.20.4.17, fe80::1",
        "dc:a6:32:4f:1b:90",
        "84.212.31.7",
        "site = central",
        "spare",
        "Left of the stairs. Ask for the key.",
        "1 min (device setting)",
        "CPU 0 %",
        "Memory no data",
        "Temperature no data",
        "High 14.0 GB of 14.6 GB",
    ):
        assert said in words
    assert f'data-copy="{device.uuid}"' in html


def test_changes_are_listed_newest_first_with_reasons(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    start = clock.now() - timedelta(minutes=5)
    connectivity.record_heartbeats([device.pk], start)
    connectivity.vpn_connected("vpn-1", [device.uuid], start + timedelta(minutes=1))
    connectivity.vpn_disconnected("vpn-1", [device.uuid], start + timedelta(minutes=2))
    words = text_of(reader.get(address(device))).split("Recent changes")[1]
    changes = [
        "Online to Online (Heartbeat Only) VPN disconnected, reported by vpn-1 3 min so far",
        "Online (Heartbeat Only) to Online VPN connected to vpn-1 1 min",
        "Post Provisioning to Online (Heartbeat Only) it contacted the API 1 min",
    ]
    positions = [words.index(change) for change in changes]
    assert positions == sorted(positions)


def test_at_most_twenty_changes(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    start = clock.now() - timedelta(hours=15)
    for number in range(15):
        moment = start + timedelta(minutes=55 * number)
        connectivity.vpn_connected("vpn-1", [device.uuid], moment)
        connectivity.vpn_disconnected("vpn-1", [device.uuid], moment + timedelta(minutes=1))
    html = reader.get(address(device)).content.decode()
    assert html.split('class="events"')[1].split("</table>")[0].count("<tr>") == 20 + 1


@pytest.mark.parametrize("tunnelled", [False, True])
def test_what_the_clock_did_reads_the_same_recorded_or_not(
    reader: Client, fleet: Fleet, *, tunnelled: bool
) -> None:
    device = make_device(fleet)
    polled = clock.now() - timedelta(hours=2)
    connectivity.record_heartbeats([device.pk], polled)
    if tunnelled:
        connectivity.vpn_alive("vpn-1", [device.uuid], polled, boot="a")
    before = reader.get(address(device))
    assert "Offline" in text_of(before)
    connectivity.settle()
    after = reader.get(address(device))
    changes = [text_of(page).split("Recent changes")[1].split("What works")[0] for page in (before, after)]
    assert changes[0] == changes[1]


def test_query_count(reader: Client, fleet: Fleet, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    device = make_device(fleet)
    for rows in (0, 29):
        for _ in range(rows):
            make_device(fleet)
        with django_assert_num_queries(QUERIES):
            page = reader.get(address(device))
        with django_assert_num_queries(QUERIES):
            again = refresh(reader, address(device), page["HX-PTag"])
        assert again.status_code == 304
        assert again.content == b""


def test_a_refresh_brings_the_change(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    page = reader.get(address(device))
    connectivity.record_heartbeats([device.pk])
    fresh = refresh(reader, address(device), page["HX-PTag"])
    assert fresh.status_code == 200
    assert b"<html" not in fresh.content
    assert "Online (Heartbeat Only)" in text_of(fresh)
    Device.objects.filter(pk=device.pk).update(notes="New.")
    assert refresh(reader, address(device), fresh["HX-PTag"]).status_code == 200


def test_strangers_get_404(reader: Client) -> None:
    assert reader.get(address(make_device())).status_code == 404
    assert reader.get(f"/devices/{make_uuid()}/").status_code == 404
    assert reader.get("/devices/not-a-uuid/").status_code == 404


def test_the_anonymous_are_led_to_sign_in(client: Client) -> None:
    path = address(make_device())
    assert client.get(path)["Location"].startswith("/sign-in/?next=%2Fdevices%2F")
    assert refresh(client, path).status_code == 401


def test_the_simple_vocabulary_and_the_words_of_the_site(
    reader: Client, fleet: Fleet, settings: Settings
) -> None:
    settings.SIMPLE_STATUSES, settings.VPN_WORD = True, "Cloudlink"
    device = make_every_status(fleet)["heartbeat-only"]
    page = reader.get(address(device))
    assert 'badge-st-lg" data-st="online"' in page.content.decode()
    assert "Heartbeat Only)" not in text_of(page)
    assert "Cloudlink never seen" in text_of(page)


def test_the_badge_is_that_of_the_list(reader: Client, fleet: Fleet) -> None:
    for device in make_every_status(fleet).values():
        listed = reader.get(f"/devices/?q={device.uuid}").content.decode().split("<tbody")[1]
        shown = re.search(r'class="badge-st" data-st="([^"]+)"', listed)
        summary = re.search(r'badge-st-lg" data-st="([^"]+)"', reader.get(address(device)).content.decode())
        assert shown
        assert summary
        assert shown.group(1) == summary.group(1) in Status.values


def test_nothing_is_inline_and_everything_escaped(reader: Client, fleet: Fleet) -> None:
    evil = '"><script>alert(1)</script>'
    device = make_device(fleet, name=evil, notes=evil, tags={evil: evil}, os_version=evil, release=evil)
    html = reader.get(address(device)).content.decode()
    assert " style=" not in html
    assert re.findall(r"<script(?![^>]* src=)", html) == []
