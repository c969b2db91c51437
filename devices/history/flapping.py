"""Links that change often: once too many times within an hour they are flapping, until an hour is calm.

So a link that has just come back does not look as if it had been up for long, or had lasted until then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection

from devices.status.annotated import DeviceWithStatus

# A link is flapping from more changes within an hour than MANY on, until an hour has fewer than CALM.
HOUR: Final = timedelta(hours=1)
MANY: Final = 6
CALM: Final = 3
LOOKED_BACK: Final = timedelta(days=1)  # as the picture of a device does at first
# Of each link, at most this many: more than MANY an hour for a day, so that the rule finds the same.
NEWEST: Final = 500
CHANGES: Final = """
SELECT named.id, kind.link, array_agg(newest.at ORDER BY newest.at)
FROM unnest(%s::bigint[]) AS named(id), (VALUES ('vpn'), ('heartbeat')) AS kind(link), LATERAL (
    SELECT r.at FROM devices_connectivityrecord r
    WHERE r.device_id = named.id AND r.link = kind.link AND r.at > %s AND r.at <= %s
    ORDER BY r.at DESC, r.id DESC LIMIT %s
) AS newest
GROUP BY 1, 2 HAVING count(*) >= %s
"""


def flapping_changes(changes: Iterable[datetime], at: datetime) -> int:
    """How often a link changed within the last hour, where it is flapping; else 0. Oldest first."""
    last_hour: deque[datetime] = deque()
    marked = False
    for change in changes:
        _forget(last_hour, change)
        marked = marked and len(last_hour) >= CALM
        last_hour.append(change)
        marked = marked or len(last_hour) > MANY
    _forget(last_hour, at)
    return len(last_hour) if marked and len(last_hour) >= CALM else 0


def _forget(moments: deque[datetime], at: datetime) -> None:
    while moments and moments[0] <= at - HOUR:
        moments.popleft()


def flapping_links(devices: Sequence[DeviceWithStatus], at: datetime) -> Mapping[int, str]:
    """Which link of these devices, read by with_status, changes most often, in words. One query."""
    return {
        pk: f"{link} unstable: {number} changes in 1\u00a0h"
        for pk, (number, link) in most_changing(devices, at).items()
    }


def most_changing(devices: Sequence[DeviceWithStatus], at: datetime) -> Mapping[int, tuple[int, str]]:
    """How often their flapping link changed within the hour, and its name, by device. One query."""
    by_id = {device.pk: device for device in devices}
    names = {"vpn": settings.VPN_WORD, "heartbeat": "API"}
    found: dict[int, tuple[int, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(CHANGES, [list(by_id), at - LOOKED_BACK, at, NEWEST, MANY])
        for pk, link, changes in cursor.fetchall():
            since = by_id[pk].vpn_since if link == "vpn" else by_id[pk].heartbeat_since
            unrecorded = [since] if since and since > changes[-1] else []
            number = flapping_changes([*changes, *unrecorded], at)
            found[pk] = max(found.get(pk, (0, "")), (number, names[link]))
    return {pk: most for pk, most in found.items() if most[0]}


def changing_often(organizations: Sequence[int], at: datetime) -> list[int]:
    """The ids of devices of these organizations whose status changed often within the hour, the most first.

    Of the newest changes alone, so where very many change the less hasty ones are left out. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(OFTEN, [list(organizations), at - HOUR, at, LATEST, CALM, MOST])
        return [device for (device,) in cursor.fetchall()]


LATEST: Final = 2_000  # changes that are looked at, of each organization
MOST: Final = 100  # devices
OFTEN: Final = """
SELECT newest.device_id FROM unnest(%s::bigint[]) AS scope(id), LATERAL (
    SELECT c.device_id FROM devices_statuschange c
    WHERE c.organization_id = scope.id AND c.at > %s AND c.at <= %s
    ORDER BY c.at DESC, c.id DESC LIMIT %s
) AS newest
GROUP BY newest.device_id HAVING count(*) >= %s
ORDER BY count(*) DESC, newest.device_id LIMIT %s
"""
