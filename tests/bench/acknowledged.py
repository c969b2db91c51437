"""Afterwards: is what was acknowledged in the database?"""

from dataclasses import dataclass
from datetime import datetime

from devices.models import Heartbeat
from tests.bench.load import Load


@dataclass(frozen=True)
class Count:
    """Devices that polled during a load, by what wrk was told and by what the database holds."""

    sent: int  # devices that a poll was written for
    acknowledged: int  # of these, surely answered with success
    recorded: int  # whose row says that they polled since the load began

    @property
    def right(self) -> bool:
        """Whether nothing acknowledged is missing, and nothing is there that was never sent."""
        return self.acknowledged <= self.recorded <= self.sent


def count(load: Load, devices: int, since: datetime) -> Count:
    """A load meets every device before any comes again, so the devices it met are known by number.

    What was sent and not accepted (under way at the end, or refused) may be any of them.
    """
    sent, unanswered = min(load.sent, devices), load.sent - load.accepted
    times = max(1, load.sent // devices)  # each device was met that often at least
    recorded = Heartbeat.objects.filter(last_poll_at__gte=since).count()
    return Count(sent=sent, acknowledged=max(0, sent - unanswered // times), recorded=recorded)
