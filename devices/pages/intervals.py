"""Where a device's poll interval comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from devices.models import Device
from devices.words import duration
from fleets.models import Fleet


@dataclass(frozen=True)
class Interval:
    """The interval that the next poll brings in force, in words, and what sets it."""

    words: str
    source: str


def interval_of(device: Device, fleet: Fleet | None = None) -> Interval:
    """The device's own setting, else its fleet's (or that of `fleet`, were it there), else the site's."""
    choices = (
        (device.poll_interval, "at this device"),
        ((fleet or device.fleet).poll_interval, f"by the {settings.FLEET_WORD.lower()}"),
        (settings.POLL_INTERVAL, "by the site"),
    )
    seconds, source = next((seconds, source) for seconds, source in choices if seconds is not None)
    return Interval(duration(timedelta(seconds=seconds), precise=True), source)
