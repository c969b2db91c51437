"""When a round has something to do: one query, so that a site where nothing happens pays for no rounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from devices.alerts.learning import LOOK
from devices.clock import Moment
from fleets.postgres.round_trip import rows_of_each

# Between two rounds, whether there is anything to do or not: alerts that work conclude within 30 s
# (devices/alerts/watchdog.py).
ROUND_EVERY: Final = timedelta(seconds=15)
# What a round plays, which waits until the ingest has listened that far: signals, deadlines, what the clock
# changes, and what no signal tells. And when to look at an incident again, whether the ingest listens or not.
DUE: Final = """
SELECT LEAST(
    (SELECT min(at) FROM devices_signal),
    (SELECT min(due_at) FROM devices_heartbeat),
    (SELECT min(due_at) FROM devices_vpnserver),
    (SELECT min(next_at) FROM devices_incidentmember),
    (SELECT min(tell_at) FROM devices_incident WHERE state = 'gathering'),
    (SELECT min(apart_at) FROM devices_incident WHERE state <> 'resolved'),
    (SELECT compared_at + %(look)s FROM devices_teller WHERE EXISTS (SELECT FROM devices_listener))
), (SELECT min(look_at) FROM devices_incident), teller.ended_at, teller.outage_at
FROM (VALUES (1)) AS one(id) LEFT JOIN devices_teller teller ON teller.id = one.id
"""
CONCLUDE: Final = """
UPDATE devices_teller SET concluded_at = %(concluded)s, ended_at = %(at)s
WHERE concluded_at <= %(concluded)s AND ended_at <= %(at)s
"""


@dataclass(frozen=True)
class Due:
    """When there is something to play and to look at, None: nothing is known.

    `ended_at`: when the last round ended, if any. `outage_at`: up to which outage administrators were told.
    """

    play_at: datetime | None
    look_at: datetime | None
    ended_at: datetime | None
    outage_at: datetime | None

    @property
    def at(self) -> datetime | None:
        """When there is something to do."""
        return min(filter(None, [self.play_at, self.look_at]), default=None)

    def nothing(self, at: Moment, within: timedelta) -> bool:
        """Whether a round at `at` would find nothing to do, and the last one ended less than `within` ago."""
        if self.ended_at is None or not timedelta() <= at.at - self.ended_at < within:
            return False
        plays = self.play_at is not None and self.play_at <= at.concluded
        return not plays and (self.look_at is None or at.at < self.look_at)


def read() -> Due:
    """Read it as it is now recorded."""
    params: dict[str, Any] = {"look": LOOK}
    ((found,),) = rows_of_each((DUE,), params)
    return Due(*found)


def conclude(at: Moment) -> None:
    """Record what a round that found nothing to do leaves: that all is decided up to `at`."""
    rows_of_each((CONCLUDE,), {"concluded": at.concluded, "at": at.at})
