"""The picture of a device's poll window: its last poll, when the next was expected, now, what it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from devices.models import Device
from devices.rules.vocabulary import Status


@dataclass(frozen=True)
class Window:
    """The moments of the picture, drawn from `start` to `end`; `now` moves on in the browser."""

    start: datetime
    expected: datetime
    end: datetime
    becomes: Status
    now: datetime = field(compare=False)

    def share(self, moment: datetime) -> str:
        """Where a moment lies, as a per cent of the width for an SVG attribute."""
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
        """How far the part before the next poll was due is filled."""
        return self.share(min(self.now, self.expected))


def window(
    device: Device, next_status: Status | None, next_at: datetime | None, at: datetime
) -> Window | None:
    """The window whose end brings the next status; None where no such clock is running."""
    poll = device.last_poll
    if poll is None or next_status is None or next_at not in (poll.late_at, poll.lost_at):
        return None
    expected = poll.last_poll_at + timedelta(seconds=poll.poll_interval)
    return Window(poll.last_poll_at, expected, next_at, next_status, at)
