"""While an API behind a relay cannot be reached, deadlines of what calls through it do not pass."""

from __future__ import annotations

import pytest

from devices import clock, connectivity
from devices.connectivity.postponing import postpone
from devices.models import Device, Heartbeat
from devices.status.explanation import explain
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def device() -> Device:
    """It polls every 20 s: late 30 s after its poll at T0, lost 15 s after that."""
    device = make_device(make_fleet(vpn_enabled=False, poll_interval=20))
    connectivity.record_heartbeats([device.pk], T0)
    return device


def away(device: Device, *ats: int) -> None:
    """The API could not be reached at these seconds."""
    for at in ats:
        postpone([device.pk], [], T0 + seconds(at))


def state(device: Device, at: float) -> str:
    connectivity.settle(T0 + seconds(at))
    return Device.objects.get(pk=device.pk).heartbeat_state


def test_a_device_stays_as_it_is_as_long_as_the_api_is_away(device: Device) -> None:
    for at in range(20, 600, 10):
        away(device, at)
        assert state(device, at) == "recent"
    assert state(device, 621) == "late"  # a whole window after the last time
    assert state(device, 636) == "lost"


def test_a_late_one_stays_late(device: Device) -> None:
    assert state(device, 31) == "late"
    for at in range(32, 300, 10):
        away(device, at)
        assert state(device, at) == "late"
    assert state(device, 292 + 45) == "lost"


def test_what_has_passed_stays_so(device: Device) -> None:
    away(device, 40)
    assert state(device, 40) == "late"
    assert state(device, 46) == "lost"
    away(device, 50)
    assert state(device, 100) == "lost"


def test_what_comes_later_than_soon_is_as_it_was(device: Device) -> None:
    before = Heartbeat.objects.values().get()
    postpone([device.pk], [], T0 - seconds(1))
    assert Heartbeat.objects.values().get() == before


def test_the_next_change_is_told_by_the_new_deadline(device: Device) -> None:
    away(device, 20)
    why = explain(device, clock.moment(T0 + seconds(21)))
    assert why.next_at == T0 + seconds(65)  # it is lost then, and Offline


def test_a_poll_begins_a_window_of_its_own(device: Device) -> None:
    away(device, 20)
    connectivity.record_heartbeats([device.pk], T0 + seconds(22))
    assert Heartbeat.objects.get().late_at == T0 + seconds(52)
