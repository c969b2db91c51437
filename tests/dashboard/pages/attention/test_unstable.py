"""Links that change often: unstable from the seventh within an hour on, until an hour has fewer than 3."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from devices import clock, connectivity
from devices.history.flapping import flapping_changes
from fleets.models import Fleet
from tests.factories import T0, make_device
from tests.pages import text_of


@pytest.mark.parametrize(
    ("minutes", "at_minute", "changes"),
    [
        (range(0, 60, 10), 60, 0),  # six within an hour are none too many
        (range(0, 70, 10), 60, 0),  # the seventh comes when the first is an hour old
        (range(0, 63, 9), 59, 7),
        (range(0, 63, 9), 94, 3),  # it calms down, but is not calm
        (range(0, 63, 9), 105, 0),
        ([*range(0, 63, 9), 170, 171, 172], 173, 0),  # it was calm before
        ([*range(0, 63, 9), 95, 96], 97, 4),  # it was not
    ],
)
def test_a_link_is_unstable_until_it_is_calm(minutes: Any, at_minute: float, changes: int) -> None:
    moments = [T0 + timedelta(minutes=each) for each in minutes]
    assert flapping_changes(moments, T0 + timedelta(minutes=at_minute)) == changes


@pytest.mark.django_db
def test_a_row_says_which_link_changes_often_as_the_page_of_its_device_does(
    reader: Client, fleet: Fleet
) -> None:
    steady, device = make_device(fleet, name="steady"), make_device(fleet, name="flapping")
    now = clock.now()
    for minute in range(16, 0, -4):
        for each, when in ((connectivity.vpn_connected, minute), (connectivity.vpn_disconnected, minute - 2)):
            each("vpn-1", [device.uuid], now - timedelta(minutes=when))
    connectivity.vpn_connected("vpn-1", [steady.uuid], now - timedelta(minutes=2))
    assert text_of(reader.get("/devices/")).count("unstable") == 1
    assert "VPN unstable: 8 changes in 1 h" in text_of(reader.get("/devices/")).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "VPN unstable: 8 changes" in text_of(reader.get(f"/devices/{device.uuid}/"))
