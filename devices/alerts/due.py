"""When a round has something to do: one query, so that a site where nothing happens pays for no rounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from devices.alerts.learning import LOOK

# Between two rounds, whether there is anything to do or not: alerts that work conclude within 30 s
# (devices/alerts/watchdog.py).
ROUND_EVERY: Final = timedelta(seconds=15)
# What a signal tells of, what the clock changes, and when to look at what no signal tells.
DUE: Final = """
SELECT LEAST(
    (SELECT min(at) FROM devices_signal),
    (SELECT min(next_at) FROM devices_incidentmember),
    (SELECT min(tell_at) FROM devices_incident WHERE state = 'gathering'),
    (SELECT min(apart_at) FROM devices_incident WHERE state <> 'resolved'),
    (SELECT min(look_at) FROM devices_incident),
    (SELECT compared_at + %(look)s FROM devices_teller WHERE EXISTS (SELECT FROM devices_listener))
), (SELECT ended_at FROM devices_teller)
"""


@dataclass(frozen=True)
class Due:
    """When there is something to do, None: nothing is known. `ended_at`: when the last round did, if any."""

    at: datetime | None
    ended_at: datetime | None

    def waits(self, at: datetime) -> bool:
        """Whether a round at this moment would find nothing to do, and the last one ended just before it."""
        if self.ended_at is None or not timedelta() <= at - self.ended_at < ROUND_EVERY:
            return False
        return self.at is None or at < self.at


def read() -> Due:
    """Read it as it is now recorded."""
    params: dict[str, Any] = {"look": LOOK}
    with connection.cursor() as cursor:
        cursor.execute(DUE, params)
        return Due(*cursor.fetchone())
