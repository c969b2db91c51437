"""Deadlines of what calls through a relay, while the API behind it cannot be reached: nothing is concluded.

Then no call proves anything, so the time is not observed, as in an outage of ours. Asked again and again as
long as it lasts; afterwards a device has a whole window in which it must poll.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from devices import clock
from devices.clock import LEASE, Moment

SOON: Final = timedelta(seconds=30)  # what passes later is postponed the next time
# As in an outage of ours (devices/connectivity/outages.py): of a heartbeat that is late already one grace.
HEARTBEATS: Final = """
WITH near AS (
    SELECT device_id, due_at = late_at AS fresh,
           GREATEST(late_at, %(at)s + ceil(poll_interval * 1.5) * interval '1 second') AS anew
    FROM devices_heartbeat WHERE device_id = ANY(%(devices)s) AND due_at > %(at)s AND due_at < %(soon)s
    ORDER BY device_id FOR NO KEY UPDATE
)
UPDATE devices_heartbeat h
SET late_at = CASE WHEN fresh THEN anew ELSE late_at END,
    lost_at = CASE WHEN fresh THEN anew + (lost_at - late_at) ELSE %(soon)s + %(grace)s END,
    due_at = CASE WHEN fresh THEN anew ELSE %(soon)s + %(grace)s END
FROM near WHERE h.device_id = near.device_id
"""
LEASES: Final = """
WITH near AS (
    SELECT id FROM devices_vpnserver WHERE id = ANY(%(servers)s) AND due_at > %(at)s
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE devices_vpnserver s SET due_at = %(at)s + %(lease)s, lease_until = %(at)s + %(lease)s
FROM near WHERE s.id = near.id
"""


@transaction.atomic
def postpone(devices: Sequence[int], servers: Sequence[int], at: datetime | Moment | None = None) -> None:
    """Put off the deadlines of these devices that come soon, and the leases of these servers; primary keys.

    What has passed stays so.
    """
    at = clock.moment(at).at
    params: dict[str, Any] = {
        "devices": list(devices),
        "servers": list(servers),
        "at": at,
        "soon": at + SOON,
        "lease": LEASE,
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
    }
    with connection.cursor() as cursor:
        cursor.execute(LEASES, params)
        cursor.execute(HEARTBEATS, params)
