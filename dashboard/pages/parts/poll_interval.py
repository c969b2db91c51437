"""Poll intervals in words: their length, the setting they come from, and how long they hide a loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from django.conf import settings

from devices.models import Device
from devices.rules.vocabulary import OVERDUE_AFTER
from devices.words import of_site
from fleets.models import Fleet

LONG: Final = 3600  # seconds, from which on pages warn how long a loss may go unnoticed


@dataclass(frozen=True)
class Interval:
    """A poll interval, and how long after a poll the heartbeat is overdue, late and lost, all in words.

    `overdue` is empty where the heartbeat is late before that. Until it is lost, the interval hides that a
    device was switched off.
    """

    words: str
    overdue: str
    late: str
    hides: str
    long: bool


@dataclass(frozen=True)
class OwnInterval:
    """The poll interval of a device, in force from its next poll on, and the setting it comes from."""

    seconds: int
    interval: Interval
    source: str
    in_force: str = ""  # the interval in force since the last poll, in words, if it is another one

    @property
    def words(self) -> str:
        return self.interval.words


def interval(seconds: int) -> Interval:
    """The heartbeat is late 1.5 intervals after a poll, and lost after the grace (domain.md, Heartbeat)."""
    late = timedelta(seconds=-(-seconds * 3 // 2))
    overdue = timedelta(seconds=seconds) + OVERDUE_AFTER
    return Interval(
        words=in_words(seconds),
        overdue=_exactly(overdue) if overdue < late else "",
        late=_exactly(late),
        hides=_exactly(late + timedelta(seconds=settings.HEARTBEAT_GRACE)),
        long=seconds >= LONG,
    )


def in_words(seconds: int) -> str:
    """So many seconds in words, exactly: "36 h 15 s"."""
    return _exactly(timedelta(seconds=seconds))


def _exactly(span: timedelta) -> str:
    """A duration with all its units, where other durations on pages have two at most: "36 h 15 s"."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    units = [(hours, "h"), (minutes, "min"), (seconds, "s")]
    return "\u00a0".join(f"{number}\u00a0{unit}" for number, unit in units if number)


def interval_of(device: Device, fleet: Fleet | None = None) -> OwnInterval:
    """The device's interval: its own setting, else its fleet's, else the site's.

    With `fleet` that fleet's setting is used, to preview a move.
    """
    own, poll = device.poll_interval, device.last_poll
    next_interval = (
        inherited(fleet or device.fleet) if own is None else OwnInterval(own, interval(own), "device setting")
    )
    if poll is None or poll.poll_interval == next_interval.seconds:
        return next_interval
    return replace(next_interval, in_force=in_words(poll.poll_interval))


def inherited(fleet: Fleet) -> OwnInterval:
    """The interval of devices of this fleet without a setting of their own."""
    if fleet.poll_interval is not None:
        source = of_site("{fleet} setting")
        return OwnInterval(fleet.poll_interval, interval(fleet.poll_interval), source)
    return OwnInterval(settings.POLL_INTERVAL, interval(settings.POLL_INTERVAL), "site setting")
