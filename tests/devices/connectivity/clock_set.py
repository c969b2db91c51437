"""A database whose clock is set while devices poll: moments, polls, and a process of the ingest."""

from __future__ import annotations

from datetime import datetime

from devices import connectivity
from devices.clock.own import OwnClock
from devices.connectivity import outages
from devices.integrity.checks import AHEAD, disagreements
from devices.models import Device
from devices.status.reading import with_status
from tests.factories import T0, make_device, make_fleet, seconds

DAY = 86400


class Process:
    """A process of the ingest, whose own clock counts the seconds that really passed since T0."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.own = OwnClock(lambda: self.passed)

    def leave_sign(self, passed: float, clock_ahead: float = 0) -> None:
        """Leave a liveness sign so many seconds after T0, with the database's clock so far ahead."""
        self.passed = passed
        outages.record_liveness(at(passed + clock_ahead), self.own)


def at(number: float) -> datetime:
    return T0 + seconds(number)


def polled(*moments: float, interval: int = 10) -> Device:
    device = make_device(make_fleet(poll_interval=interval))
    for moment in moments:
        connectivity.record_heartbeats([device.pk], at(moment))
    return device


def dated_ahead(moment: float) -> list[str]:
    return [str(each) for each in disagreements(at(moment)) if each.what == AHEAD]


def status(device: Device, moment: float) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), at(moment)).get().status)
