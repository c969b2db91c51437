"""Many changes of one link within an hour: one line in the latest changes, and on the page of the device."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from devices import clock, connectivity
from devices.models import Device
from fleets.models import Fleet
from tests.factories import make_device
from tests.pages import text_of

pytestmark = pytest.mark.django_db


def flap(device: Device, times: int) -> None:
    """Its VPN came and went so many times, two minutes apart, while polls kept its heartbeat."""
    connectivity.record_heartbeats([device.pk], clock.now() - timedelta(minutes=2 * times + 5))
    for number in range(times, 0, -1):
        at = clock.now() - timedelta(minutes=2 * number)
        connectivity.vpn_connected("vpn-1", [device.uuid], at)
        connectivity.vpn_disconnected("vpn-1", [device.uuid], at + timedelta(minutes=1))
    connectivity.record_heartbeats([device.pk])


def test_many_changes_of_a_link_within_an_hour_are_one_line(reader: Client, fleet: Fleet) -> None:
    device, other = make_device(fleet, name="tram-114"), make_device(fleet, name="other")
    connectivity.vpn_connected("vpn-1", [other.uuid], clock.now() - timedelta(minutes=9))
    flap(device, 10)
    words = text_of(reader.get("/")).replace("\u00a0", " ")
    latest = words[words.index("Latest changes") :]
    assert latest.count("tram-114 : 20 changes of VPN in 1 h") == 1
    assert "other" in latest
    page = reader.get(f"/devices/{device.uuid}/")
    words = text_of(page).replace("\u00a0", " ")
    assert words.count("20 changes of VPN in 1 h") == 1
    assert "Show all 20" in words
    folded = page.content.decode().split('class="run"')[1].split("</details>")[0]
    assert folded.count("VPN disconnected, reported by vpn-1") == 10


def test_few_changes_of_a_link_are_lines_of_their_own(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, name="tram-114")
    flap(device, 3)
    for path in ("/", f"/devices/{device.uuid}/"):
        assert "changes of VPN" not in text_of(reader.get(path))
