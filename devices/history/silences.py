"""When devices were without contact for long, by the changes of their links and what is recorded of them now.

History keeps neither each poll nor reports. A device polls until its heartbeat is late, so its last poll is
known. Contact is that, a poll after a late heartbeat, a VPN connect, and what is recorded as the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

# The last poll before a heartbeat was late at `late_at`, of a device with the heartbeat `h`, by a moment: the
# one that is kept, or where the device has polled since, by its poll interval as it is now.
LAST_POLL: Final = """
CASE WHEN h.last_poll_at <= {by} THEN h.last_poll_at
     ELSE {late_at} - ceil(h.poll_interval * 1.5) * interval '1 second' END
"""
CONTACT: Final = """
(r.link = 'heartbeat' AND r.after = 'recent'
 OR r.link = 'vpn' AND r.after = 'connected' AND r.reason ->> 'slug' = 'vpn-connected')
"""
RECORD: Final = (
    "SELECT {what} FROM devices_connectivityrecord r WHERE r.device_id = {device} AND r.at > {after}"
)
# Contacts after which there may be none for long: the last poll before a heartbeat was late; a VPN connect
# that no poll followed; and the last contact of a device that does not poll now.
LAST: Final = f"""
SELECT changed.device_id AS id, GREATEST(polled.at, (
    SELECT max(r.at) FROM devices_connectivityrecord r WHERE r.device_id = changed.device_id
    AND r.link = 'heartbeat' AND r.at < changed.at AND r.at > changed.at - %(lasting)s
)) AS at
FROM changed JOIN devices_heartbeat h ON h.device_id = changed.device_id,
LATERAL (SELECT {LAST_POLL.format(by="changed.at", late_at="changed.at")} AS at) AS polled
WHERE changed.link = 'heartbeat'
UNION
SELECT changed.device_id, changed.at
FROM changed JOIN devices_device d ON d.id = changed.device_id
LEFT JOIN devices_heartbeat h ON h.device_id = changed.device_id
LEFT JOIN LATERAL (
    {RECORD.format(what="r.after, r.at", device="changed.device_id", after="changed.at")}
    AND r.link = 'heartbeat' ORDER BY r.at, r.id LIMIT 1
) AS following ON true
WHERE changed.link = 'vpn' AND NOT COALESCE(
    CASE WHEN following.after IS NULL THEN d.heartbeat_state = 'recent'
         WHEN following.after = 'late' THEN
             ({LAST_POLL.format(by="following.at", late_at="following.at")}) > changed.at END, false)
UNION
SELECT d.id, GREATEST(d.last_contact_at, h.last_poll_at)
FROM devices_device d LEFT JOIN devices_heartbeat h ON h.device_id = d.id
WHERE d.id = ANY(%(devices)s) AND d.heartbeat_state <> 'recent'
"""
BETWEEN: Final = f"""
WITH changed AS MATERIALIZED (
    SELECT r.device_id, r.link, r.at
    FROM unnest(%(devices)s::bigint[]) AS named(id)
    JOIN devices_connectivityrecord r ON r.device_id = named.id
    WHERE r.at > %(since)s AND r.at <= %(until)s
      AND (r.after = 'late' OR r.link = 'vpn' AND {CONTACT})
), last AS ({LAST})
SELECT last.id, last.at, following.at
FROM last JOIN devices_device d ON d.id = last.id LEFT JOIN devices_heartbeat h ON h.device_id = last.id
LEFT JOIN LATERAL (
    {RECORD.format(what="r.at", device="last.id", after="last.at")} AND {CONTACT} ORDER BY r.at, r.id LIMIT 1
) AS recorded ON true,
LATERAL (SELECT GREATEST(d.last_contact_at, h.last_poll_at) AS at) AS newest,
LATERAL (SELECT LEAST(recorded.at, CASE WHEN newest.at > last.at THEN newest.at END) AS at) AS following
WHERE last.at > %(since)s AND COALESCE(following.at, %(until)s) - last.at >= %(lasting)s
ORDER BY last.at DESC, last.id DESC LIMIT %(most)s
"""
Silence = tuple[int, datetime, datetime | None]  # of a device by id: its last contact, the next one if any


def between(
    devices: Sequence[int], lasting: timedelta, since: datetime, until: datetime, most: int
) -> list[Silence]:
    """The `most` newest silences of these devices that lasted so long by `until` and began after `since`.

    The newest first. One query.
    """
    params: dict[str, Any] = {"devices": list(devices), "lasting": lasting, "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(BETWEEN, params | {"most": most})
        found: list[Silence] = cursor.fetchall()
    return found
