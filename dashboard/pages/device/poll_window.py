"""A device's next change: when it is said beside the status, and a picture of the window that ends in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from devices.models import Device
from devices.rules.vocabulary import HeartbeatState, Status
from devices.status.annotated import DeviceWithStatus

NEAR = timedelta(minutes=15)


@dataclass(frozen=True)
class Window:
    """The moments of the picture, which reaches from `start` to `end`; the browser advances `now`."""

    start: datetime
    expected: datetime
    end: datetime
    becomes: Status
    now: datetime = field(compare=False)

    def share(self, moment: datetime) -> str:
        """The position of a moment in per cent of the width, as text for an SVG attribute."""
        share = (moment - self.start) / (self.end - self.start)
        return f"{100 * min(1.0, max(0.0, share)):.2f}%"

    @property
    def expected_share(self) -> str:
        return self.share(self.expected)

    @property
    def now_share(self) -> str:
        return self.share(self.now)

    @property
    def ok_share(self) -> str:
        """The position up to which the part before the expected poll is filled."""
        return self.share(min(self.now, self.expected))


def window(
    device: Device, next_status: Status | None, next_at: datetime | None, at: datetime
) -> Window | None:
    """The window that ends with the next status; None if that does not depend on the heartbeat."""
    poll = device.last_poll
    if poll is None or next_status is None or next_at not in (poll.late_at, poll.lost_at):
        return None
    expected = poll.last_poll_at + timedelta(seconds=poll.poll_interval)
    return Window(poll.last_poll_at, expected, next_at, next_status, at)


def is_near(device: DeviceWithStatus, next_at: datetime | None, window: Window | None, at: datetime) -> bool:
    """Whether the change at `next_at` is said beside the status of a device read by with_status.

    It is where the next poll is overdue or the heartbeat late, and else within NEAR. Where only the window of
    a device that is well ends then, it is not: it would be said all day, and each poll puts it off.
    """
    if next_at is None:
        return False
    if device.overdue or device.heartbeat == HeartbeatState.LATE:
        return True
    return next_at - at <= NEAR and (window is None or device.attention)
