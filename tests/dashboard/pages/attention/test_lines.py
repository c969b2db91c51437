"""The lines of the Attention page: what they say, in which order, and what is folded."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.test import Client

from devices import clock, connectivity
from devices.history import retention
from devices.models import Device, Heartbeat
from fleets.models import Fleet, Organization, Role
from tests.dashboard.pages.attention.lost import lose
from tests.factories import make_device, make_member
from tests.pages import clock_time, html_of, names_in, text_of

pytestmark = pytest.mark.django_db


def ago(**span: float) -> datetime:
    return clock.now() - timedelta(**span)


def lost_alone(fleet: Fleet, moment: datetime, **fields: object) -> Device:
    """A device that lost its VPN at that moment and polled a minute ago."""
    known = {"vpn_changed_at": moment, "recorded_status_at": moment, "heartbeat_changed_at": moment}
    device = make_device(fleet, heartbeat_state="recent", **known, **fields)
    connectivity.record_heartbeats([device.pk], ago(minutes=1))
    return device


def plain(reader: Client) -> str:
    return text_of(reader.get("/attention/")).replace("\u00a0", " ").replace("&nbsp;", " ")


def test_a_line_says_what_happened_why_and_what_comes_next(reader: Client, fleet: Fleet) -> None:
    device = lost_alone(fleet, ago(minutes=17), name="validator-05", tags={"site": "harbour"})
    make_device(fleet, name="kiosk-3", vpn_changed_at=ago(days=3), recorded_status_at=ago(days=3))
    words = plain(reader)
    assert (
        "validator-05 lost the VPN It has contacted the API recently, but the VPN is not connected." in words
    )
    lost_at = Heartbeat.objects.get(device=device).lost_at
    assert f"Offline at {clock_time(lost_at)} unless it reports" in words
    assert "kiosks site = harbour" in words
    assert "kiosk-3 is Offline" in words
    assert "Stays Offline until it reports" in words


def test_a_line_of_many_says_until_when_the_last_of_them_is_offline(reader: Client, fleet: Fleet) -> None:
    lost = lose(fleet, 6, public_address="203.0.113.7", tags={"site": "central"})
    last = max(each.lost_at for each in Heartbeat.objects.filter(device__in=lost))
    words = plain(reader)
    assert f"Offline by {clock_time(last)} unless they report" in words
    assert "kiosks site = central" in words


def test_the_title_counts_causes(reader: Client, fleet: Fleet) -> None:
    assert "<title>Attention" in html_of(reader.get("/attention/"))
    lose(fleet, 6)
    lost_alone(fleet, ago(minutes=17))
    html = html_of(reader.get("/attention/"))
    assert "<title>(2) Attention" in html
    assert 'data-causes="2"' in html


def test_what_has_just_begun_is_folded_until_it_lasts(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost_alone(fleet, ago(seconds=30), name="young")
    page = reader.get("/attention/")
    assert names_in(page) == []
    assert "1 device needs attention 0 causes" in text_of(page)
    assert "Just now: 1" in text_of(page)
    later = clock.listened(clock.now() + timedelta(seconds=31))
    monkeypatch.setattr(clock, "moment", lambda at=None: later)
    page = reader.get("/attention/")
    assert names_in(page) == ["young"]
    assert "Just now" not in text_of(page)


def flap(device: Device, times: int) -> None:
    """Its VPN came and went so many times, the last time a minute ago, and polls keep its heartbeat."""
    connectivity.record_heartbeats([device.pk], ago(minutes=3 * times))
    for number in range(times, 0, -1):
        at = ago(minutes=2 * number)
        connectivity.vpn_connected("vpn-1", [device.uuid], at)
        connectivity.vpn_disconnected("vpn-1", [device.uuid], at + timedelta(minutes=1))
    connectivity.record_heartbeats([device.pk])


def test_a_device_that_flaps_is_folded_whatever_it_is_just_now(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, name="tram-114")
    flap(device, 10)
    lost_alone(fleet, ago(minutes=17), name="other")
    words = plain(reader)
    assert names_in(reader.get("/attention/")) == ["other"]
    assert "2 devices need attention 1 cause" in words
    assert re.search(r"Flapping: 1 .*tram-114 \d+ changes of VPN in 1 h Online \(Heartbeat Only\) now", words)
    connectivity.vpn_connected("vpn-1", [device.uuid])
    words = plain(reader)
    assert "1 device needs attention 1 cause" in words
    assert "1 fine now, but flapping" in words
    assert "Flapping: 1" in words


def test_it_narrows_to_tags(reader: Client, fleet: Fleet) -> None:
    lost_alone(fleet, ago(minutes=17), name="here", tags={"site": "central"})
    lost_alone(fleet, ago(minutes=27), name="there", tags={"site": "harbour"})
    page = reader.get("/attention/?tag=site%3Dcentral")
    assert names_in(page) == ["here"]
    assert "1 device needs attention" in text_of(page)
    none = text_of(reader.get("/attention/?tag=site%3Deast"))
    assert "No device that matches these filters is Offline" in none
    assert "Clear filters" in none


def test_a_tag_puts_devices_together_whenever_they_were_lost(reader: Client, fleet: Fleet) -> None:
    for hours in (1, 2, 3):
        lost_alone(fleet, ago(hours=hours), tags={"site": "central"})
    lost_alone(fleet, ago(hours=4), name="alone", tags={"site": "harbour"})
    assert 'href="?by=site"' in html_of(reader.get("/attention/"))
    page = reader.get("/attention/?by=site")
    assert "3 devices tagged site = central need attention" in text_of(page)
    assert names_in(page) == ["alone"]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("attention", ["old", "new", "middle"]),
        ("since", ["new", "middle", "old"]),
        ("-since", ["old", "middle", "new"]),
    ],
)
def test_lines_stand_in_the_order_that_is_asked_for(
    reader: Client, fleet: Fleet, sort: str, names: list[str]
) -> None:
    lost_alone(fleet, ago(hours=1), name="new")
    lost_alone(fleet, ago(hours=2), name="middle")
    make_device(fleet, name="old", vpn_changed_at=ago(days=3), recorded_status_at=ago(days=3))
    assert names_in(reader.get(f"/attention/?sort={sort}")) == names
    assert "There is no sort order" in text_of(reader.get("/attention/?sort=sideways"))


def test_the_lines_of_most_devices_may_stand_first(reader: Client, fleet: Fleet) -> None:
    make_device(fleet, name="old", vpn_changed_at=ago(days=3), recorded_status_at=ago(days=3))
    lose(fleet, 6)
    words = text_of(reader.get("/attention/?sort=devices"))
    assert words.index("6 of 7 devices in kiosks") < words.index("old is Offline")


def test_a_tick_means_all_devices_of_its_line(
    client: Client, organization: Organization, fleet: Fleet
) -> None:
    client.force_login(make_member(organization, Role.OWNER))
    lost = lose(fleet, 6)
    html = html_of(client.get("/attention/"))
    value = re.search(r'name="sel" form="bulk" value="([^"]+)" data-devices="6"', html)
    assert value
    assert sorted(value.group(1).split(",")) == sorted(each.uuid for each in lost)
    answer = client.post("/devices/selections/", {"sel": value.group(1), "action": "tag", "query": ""})
    assert "Tag 6 devices" in text_of(client.get(answer["Location"]))


def test_as_of_a_minute_it_is_the_list_of_those_that_needed_attention(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "begins", lambda: ago(days=1))
    minute = f"{ago(minutes=3):%Y-%m-%dT%H:%M}"
    address = reader.get(f"/attention/?at={minute}Z&fleet=kiosks&tag=site")["Location"]
    assert address == (
        f"/devices/?fleet=kiosks&tag=site&at={minute.replace(':', '%3A')}Z"
        "&status=offline&status=heartbeat-only&status=vpn-only"
    )
    assert "nonsense" in text_of(reader.get("/attention/?at=nonsense"))


def test_it_says_whether_it_is_our_own_fault(reader: Client, fleet: Fleet) -> None:
    assert "No VPN server sends life signs" in text_of(reader.get("/attention/"))
    connectivity.vpn_alive("vpn-1")
    assert "It receives data, and its VPN server reports." in text_of(reader.get("/attention/"))
    connectivity.vpn_alive("vpn-2", at=ago(minutes=10))
    words = text_of(reader.get("/attention/"))
    assert "not every VPN server reports" in words
    assert "vpn-2 stopped reporting at" in words
