"""The connectivity picture of the Device Summary, the changes under it, page by page, and their file."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from dashboard.pages.device import events as history
from dashboard.pages.device import timeline
from dashboard.pages.parts import chart
from devices import clock, connectivity
from devices.connectivity import outages
from devices.history.spans import Span
from devices.models import Device, Heartbeat
from devices.operations.csv_cells import BOM
from devices.status.reading import with_status
from fleets.models import Fleet
from tests.factories import make_device
from tests.pages import fetch, html_of, refresh, text_of

pytestmark = pytest.mark.django_db


def ago(hours: float) -> datetime:
    return clock.now() - timedelta(hours=hours)


@pytest.fixture
def device(fleet: Fleet) -> Device:
    """Made five days ago, on for an hour two days ago, and from 15 s less than two hours ago on.

    A page counts to the end of its minute, so that it sees two hours, or up to 45 s more.
    """
    made = make_device(fleet, name="kiosk-1", created_at=ago(120), activated_at=ago(120))
    connectivity.record_heartbeats([made.pk], ago(48))
    connectivity.settle(ago(3))
    for minutes in range(120, 0, -10):
        connectivity.record_heartbeats([made.pk], ago((minutes - 0.25) / 60))
    return made


def lapse() -> None:
    """What polled has become late and lost since, and nobody has recorded it."""
    late, lost = ago(0.02), ago(0.01)
    Heartbeat.objects.update(late_at=late, lost_at=lost, due_at=late)


def spans_of(page: Any) -> dict[str, str]:
    return dict(re.findall(r'role="group" aria-label="([^:"]+): ([^"]+)"', html_of(page)))


@pytest.mark.parametrize(("name", "share"), [("24h", "8.3"), ("7d", "4.9"), ("30d", "4.9")])
def test_the_lanes_say_their_uptime(reader: Client, device: Device, name: str, share: str) -> None:
    """Two hours of the last day; those and the 22.75 min of a window of the 48 h since it came online."""
    said = spans_of(reader.get(f"/devices/{device.uuid}/?range={name}"))
    over = f" over {chart.RANGES[name].words}"
    assert {lane: words.strip() for lane, words in said.items()} == {
        f"Status{over}": f"{share}\xa0% reachable",
        f"VPN{over}": "no data",
        f"API heartbeat{over}": f"{share}\xa0% contacted",
    }


def test_every_segment_is_a_link_that_says_state_times_and_reason(reader: Client, device: Device) -> None:
    page = html_of(reader.get(f"/devices/{device.uuid}/"))
    segments = re.findall(r'<a data-st="([^"]+)" href="([^"]+)" aria-label="([^"]+)">', page)
    assert [state for state, _, _ in segments] == ["offline", "heartbeat-only"]
    assert segments[0][2].startswith("Offline, ")
    assert segments[1][2].startswith("Online (Heartbeat Only) since ")
    assert segments[1][2].endswith(": it contacted the API")
    led_to = reader.get(segments[0][1].replace("&amp;", "&"))
    assert "Changes until" in text_of(led_to)


def test_a_time_without_us_is_hatched(reader: Client, device: Device) -> None:
    assert "not observed" not in text_of(reader.get(f"/devices/{device.uuid}/"))
    outages.record_liveness(ago(1))
    outages.record_liveness(ago(0.5))
    page = reader.get(f"/devices/{device.uuid}/")
    assert page.content.decode().count('class="hatched"') == 2 * 3 + 1  # both in three lanes, and the key
    assert re.search(r"Not observed, [\w: ]+ to [\w: ]+ \(30 min\)", text_of(page))
    assert re.search(r"Not observed since ", text_of(page))  # it goes on again


def test_the_same_picture_is_no_news(reader: Client, device: Device) -> None:
    tag = refresh(reader, f"/devices/{device.uuid}/")["HX-PTag"]
    statuses = {refresh(reader, f"/devices/{device.uuid}/", tag).status_code for _ in range(3)}
    assert 304 in statuses  # but for the one in a minute that moves its end


@pytest.mark.parametrize(
    "wrong", ["?range=9y", "?until=yesterday", "?until=2026-13-45T00:00Z", "?range=&until="]
)
def test_an_address_that_names_no_time_shows_the_newest_day(
    reader: Client, device: Device, wrong: str
) -> None:
    page = reader.get(f"/devices/{device.uuid}/{wrong}")
    assert "Recent changes" in text_of(page)
    assert "Status over 24 h" in spans_of(page)


def test_changes_come_page_by_page_and_none_twice(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, created_at=ago(100))
    for hour in range(90, 50, -1):
        connectivity.record_heartbeats([device.pk], ago(hour))
    connectivity.settle(ago(49))
    address, seen = f"/devices/{device.uuid}/", []
    while address:
        page = html_of(reader.get(address))
        table = page.partition('<table class="events">')[2].partition("</table>")[0]
        seen.append(re.findall(r'<tr><td><time datetime="([^"]+)"', table))
        older = re.search(r'href="([^"]+)">Older</a>', page)
        address = older.group(1).replace("&amp;", "&").partition("#")[0] if older else ""
    times = [moment for page_of in seen for moment in page_of]
    assert times == sorted(times, reverse=True)
    assert len(times) == len(set(times)) == 40 * 3 + 1  # recent, late and lost, and made
    assert all(len(page_of) <= 20 for page_of in seen)


def test_the_file_says_what_the_list_says(reader: Client, device: Device) -> None:
    """Also of what the clock has done and nobody has recorded."""
    lapse()
    address = f"/devices/{device.uuid}/changes.csv"
    assert f'href="{address}"' in reader.get(f"/devices/{device.uuid}/").content.decode()
    rows = list(csv.reader(io.StringIO(fetch(reader, address).removeprefix(BOM), newline="")))
    assert rows[0] == ["at", "until", "what", "state", "before", "change", "reason"]
    assert [row[2:] for row in rows[1:]] == [
        ["status", "offline", "Online (Heartbeat Only)", "Offline", "no poll until its window ended"],
        ["heartbeat", "late", "", "API late", "no poll within the expected interval"],
        ["status", "heartbeat-only", "Offline", "Online (Heartbeat Only)", "it contacted the API"],
        ["status", "offline", "Online (Heartbeat Only)", "Offline", "no poll until its window ended"],
        ["heartbeat", "late", "", "API late", "no poll within the expected interval"],
        ["status", "heartbeat-only", "Post Provisioning", "Online (Heartbeat Only)", "it contacted the API"],
        ["status", "post-provisioning", "", "New: Post Provisioning", ""],
    ]
    ends = {row[0]: row[1] for row in rows[1:] if row[2] == "status"}
    assert list(ends.values()) == ["", *list(ends)[:-1]]


def test_a_file_is_read_in_batches_that_add_up(device: Device) -> None:
    lapse()
    at = clock.moment()
    read: Any = with_status(Device.objects.all(), at).get()

    async def batches(size: int) -> list[list[tuple[str, ...]]]:
        return [rows async for rows in history.batches(read, at, size)]

    (whole,) = async_to_sync(batches)(1000)
    for size in (1, 2, 3):
        found = async_to_sync(batches)(size)
        assert [len(rows) for rows in found[:-1]] == [size] * (len(found) - 1)
        assert [row for rows in found for row in rows] == whole


def test_a_stranger_gets_no_file(client: Client, device: Device, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("stranger"))
    assert client.get(f"/devices/{device.uuid}/changes.csv").status_code == 404


def test_a_long_time_shows_the_worst_of_each_bucket(fleet: Fleet) -> None:
    of, end = chart.RANGES["7d"], datetime(2026, 3, 8, tzinfo=clock.now().tzinfo)
    scale = chart.Scale(end - of.length, end, end)
    quarter = timedelta(minutes=15)
    spans = [
        Span(end - of.length, end - timedelta(days=1), "online"),
        Span(end - timedelta(days=1), end - timedelta(days=1) + quarter, "offline"),
        Span(end - timedelta(days=1) + quarter, None, "online"),
    ]
    assert [span.state for span in timeline._worst("status", spans, of, scale)] == [
        "online",
        "offline",
        "online",
    ]


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "no data"),
        (0, "0 %"),
        (0.0004, "under 0.1 %"),
        (0.97899, "97.8 %"),
        (0.99999, "99.9 %"),
        (1, "100 %"),
    ],
)
def test_uptime_is_never_rounded_up(share: float | None, words: str) -> None:
    assert timeline._percent(share).replace("\xa0", " ") == words


def test_a_link_that_changes_often_is_called_unstable(reader: Client, device: Device) -> None:
    assert "unstable" not in text_of(reader.get(f"/devices/{device.uuid}/"))
    for minutes in range(40, 0, -5):
        connect = connectivity.vpn_connected if minutes % 10 == 0 else connectivity.vpn_disconnected
        connect("vpn-1", [device.uuid], ago(minutes / 60))
    assert "VPN unstable: 8 changes within the hour" in text_of(reader.get(f"/devices/{device.uuid}/"))
