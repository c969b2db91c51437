"""Comparing the polls that were acknowledged in a load with the database after it."""

from dataclasses import dataclass
from datetime import datetime

from devices.models import Heartbeat
from tests.bench.load import Load


@dataclass(frozen=True)
class Count:
    """The number of devices that polled in a load: by the answers that wrk got, and by the database."""

    sent: int  # devices that a poll was written for
    acknowledged: int  # of these, surely answered with success
    recorded: int  # whose row says that they polled since the load began

    @property
    def right(self) -> bool:
        """Whether nothing acknowledged is missing, and nothing is there that was never sent."""
        return self.acknowledged <= self.recorded <= self.sent


def count(load: Load, devices: int, since: datetime) -> Count:
    """Compare a load on so many devices, begun at `since`, with the database.

    A load reaches every device before one again, so the devices that polled are known by their number. Polls
    that were sent and not accepted (unanswered at the end, or refused) may be of any of them.
    """
    sent, unanswered = min(load.sent, devices), load.sent - load.accepted
    times = max(1, load.sent // devices)  # each device was met that often at least
    recorded = Heartbeat.objects.filter(last_poll_at__gte=since).count()
    return Count(sent=sent, acknowledged=max(0, sent - unanswered // times), recorded=recorded)
