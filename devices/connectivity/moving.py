"""Moving the deadlines of heartbeats to after an outage of ours, in passes (domain.md, Our own outages).

A pass moves the deadlines that come by a moment, a portion per transaction. The first one is done while the
outage is still open. Each later one reaches twice as far after the end of the outage, and begins at half the
time that the one before has reached, so that every deadline has moved long before it comes: no reading meets
one that has yet to move. Most need never be moved, since the device has polled meanwhile.

What a heartbeat's deadlines will be is known before: devices/rules/live_links.py has them for forecasts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from devices.models import Listening
from fleets.models import POLL_INTERVAL_MAX

LEAD: Final = timedelta(minutes=2)  # the reach of the first pass, from the end of the outage
LONGEST: Final = timedelta(seconds=1.5 * POLL_INTERVAL_MAX)  # no window reaches further
SPAN: Final = 20_000  # devices that one transaction looks at
PORTION: Final = 1000  # devices whose deadlines it moves at most

# Deadlines that had not passed at the start move: late_at to a whole window after the end; of a heartbeat
# that was late already, lost_at to one grace after the end. Lost heartbeats stay lost. Idempotent. What comes
# until `since` has moved. The start is null once the outage is closed: by then all that were late have moved.
MOVES: Final = """
LATERAL (SELECT %(end)s + ceil(poll_interval * 1.5) * interval '1 second' AS late,
                %(end)s + %(grace)s AS lost, due_at = late_at AND late_at > %(since)s AS fresh) AS windows
WHERE last_poll_at < %(end)s AND (
    fresh AND late_at <= %(until)s AND late_at < late
    OR due_at IS NOT NULL AND late_at <= %(start)s AND lost_at > %(start)s AND lost_at <> lost)
"""
MOVE: Final = f"""
WITH span AS MATERIALIZED (
    SELECT device_id, poll_interval, last_poll_at, late_at, lost_at, due_at
    FROM devices_heartbeat WHERE {{where}} LIMIT %(span)s
), found AS MATERIALIZED (
    SELECT device_id FROM span, {MOVES} ORDER BY device_id LIMIT %(portion)s
), locked AS MATERIALIZED (
    SELECT device_id, fresh, late, lost FROM devices_heartbeat, {MOVES}
    AND device_id = ANY(ARRAY(SELECT device_id FROM found)) ORDER BY device_id
    FOR NO KEY UPDATE OF devices_heartbeat
), moved AS (
    UPDATE devices_heartbeat h
    SET late_at = CASE WHEN fresh THEN late ELSE late_at END,
        lost_at = CASE WHEN fresh THEN late + (lost_at - late_at) ELSE lost END,
        due_at = CASE WHEN fresh THEN late WHEN due_at = lost_at THEN lost ELSE due_at END
    FROM locked WHERE h.device_id = locked.device_id AND last_poll_at < %(end)s
)
SELECT CASE WHEN count(*) < %(portion)s THEN (SELECT count(*) FROM span) < %(span)s ELSE false END,
       CASE WHEN count(*) = %(portion)s THEN max(device_id) ELSE (SELECT max(device_id) FROM span) END
FROM found
"""
# The deadlines that come by the end of a pass, where few do; else all devices. A late heartbeat is lost one
# grace after its deadline passed, which is perhaps not recorded yet.
BY_DEADLINE: Final = MOVE.format(
    where="due_at > %(since)s - %(grace)s AND due_at <= %(until)s ORDER BY due_at"
)
BY_ID: Final = MOVE.format(where="device_id > %(after)s ORDER BY device_id")


def begin(ledger: Listening, end: datetime) -> None:
    """Note in the ledger that deadlines are to move for the outage since its newest sign that ends at `end`.

    What had yet to move for an outage before lies ahead of that sign, so it moves for this one alone.
    """
    ledger.resumed_at, ledger.moved_until, ledger.moved_to = end, ledger.pulse_at, 0


def go_on(ledger: Listening, at: datetime, start: datetime | None = None) -> bool:
    """Do the next portion if a pass is due at `at`, and note that in the ledger; whether no more is due.

    `start` is that of the outage while it is open. In the caller's transaction, which has locked the ledger.
    """
    end, since = ledger.resumed_at, ledger.moved_until
    if end is None or since is None or at <= _begins(end, since):
        return True
    until = end + max(LEAD, 2 * (since - end))
    ledger.moved_to = _move(ledger.moved_to, {"start": start, "end": end, "since": since, "until": until})
    if ledger.moved_to:
        return False
    if until - end >= LONGEST:
        ledger.resumed_at = ledger.moved_until = None
        return True
    ledger.moved_until = until
    return at <= _begins(end, until)


def _begins(end: datetime, until: datetime) -> datetime:
    """When the next pass begins: half of the time until the first deadline that may have yet to move."""
    return end + (until - end) / 2


def have_moved(ledger: Listening, until: datetime) -> bool:
    """Whether all deadlines that come by `until` have moved."""
    return ledger.moved_until is None or until <= ledger.moved_until


def _move(after: int, of_pass: dict[str, Any]) -> int:
    """Move the deadlines of the portion behind the device with the id `after`, locked by ascending id.

    Returns the id of the last device that was looked at; 0: that was the last portion.
    """
    params = of_pass | {
        "after": after,
        "span": SPAN,
        "portion": PORTION,
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
    }
    with connection.cursor() as cursor:
        for sql in (BY_ID,) if after else (BY_DEADLINE, BY_ID):
            cursor.execute(sql, params)
            all_moved, last = cursor.fetchone()
            if all_moved:
                return 0
    return int(last)
