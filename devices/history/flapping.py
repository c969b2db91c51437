"""Flapping: a link that changed too often within an hour is flapping until an hour is calm.

Pages say so, because "up since a minute ago" would hide that the link was lost many times before.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final, Protocol

from django.conf import settings
from django.db import connection

Span = tuple[datetime, datetime | None]  # in which a link was marked; None: it still is
# A link is flapping from more changes within an hour than MANY on, until an hour has fewer than CALM.
HOUR: Final = timedelta(hours=1)
MANY: Final = 6
CALM: Final = 3
LOOKED_BACK: Final = timedelta(days=1)  # the span of a device's timeline by default
# Changes that are read of each link, at most: more than MANY per hour for a day, so that the result is exact.
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

# In the first row: when the changes that are looked at begin, if there may be more.
BETWEEN: Final = """
WITH newest AS MATERIALIZED (
    SELECT named.id, change.link, change.at FROM unnest(%(devices)s::bigint[]) AS named(id), LATERAL (
        SELECT r.link, r.at FROM devices_connectivityrecord r
        WHERE r.device_id = named.id AND r.at > %(since)s AND r.at <= %(until)s
    ) AS change ORDER BY change.at DESC LIMIT %(most)s
)
SELECT NULL, ARRAY[CASE WHEN count(*) = %(most)s THEN min(at) END] FROM newest
UNION ALL
(SELECT id, array_agg(at ORDER BY at) FROM newest GROUP BY id, link HAVING count(*) > %(many)s)
"""


class Linked(Protocol):
    """A device with the times since when its links are what they are, as with_status annotates them."""

    @property
    def pk(self) -> int: ...
    @property
    def vpn_since(self) -> datetime | None: ...
    @property
    def heartbeat_since(self) -> datetime | None: ...


def flapping_changes(changes: Iterable[datetime], at: datetime) -> int:
    """How often a link changed within the hour before `at`, if it is flapping; else 0.

    `changes` are the moments of its changes, the oldest first.
    """
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


def marks(changes: Iterable[datetime], at: datetime) -> Iterator[Span]:
    """When a link, whose changes these are, oldest first, was marked as flapping; None: still at `at`."""
    last_hour, began = deque[datetime](), None
    for change in changes:
        if began and (calm := last_hour[-CALM] + HOUR) <= change:
            yield began, calm
            began = None
        _forget(last_hour, change)
        last_hour.append(change)
        began = change if began is None and len(last_hour) > MANY else began
    if began:
        calm = last_hour[-CALM] + HOUR
        yield began, calm if calm <= at else None


def marks_of(devices: Sequence[int], at: datetime) -> Mapping[int, list[Span]]:
    """When any link of these devices was marked within the last day, by device, in order. One query."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGES, [list(devices), at - LOOKED_BACK, at, NEWEST, MANY])
        return _of_devices(((pk, changes) for pk, _link, changes in cursor), at)


def marks_between(
    devices: Sequence[int], since: datetime, until: datetime, most: int
) -> tuple[Mapping[int, list[Span]], datetime | None]:
    """When any link of these devices was marked in that time, by device, in order. One query.

    Looks at the `most` newest changes of all links; if there may be more, also gives when these begin.
    """
    params: dict[str, Any] = {"devices": list(devices), "since": since, "until": until}
    params |= {"most": most, "many": MANY}
    with connection.cursor() as cursor:
        cursor.execute(BETWEEN, params)
        (_, (first,)), *links = cursor.fetchall()
    return _of_devices(links, until), first


def _of_devices(links: Iterable[tuple[int, Sequence[datetime]]], at: datetime) -> dict[int, list[Span]]:
    """By device, if any of its links was marked: when. `links`: the changes of each, the oldest first."""
    found: dict[int, list[Span]] = defaultdict(list)
    for pk, changes in links:
        found[pk] += marks(changes, at)
    return {pk: joined(spans) for pk, spans in found.items() if spans}


def joined(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that touch each other as one: it lasts as long as any of them."""
    found: list[Span] = []
    for began, ended in sorted(spans, key=itemgetter(0)):
        before = found[-1] if found else None
        if before is None or (before[1] is not None and before[1] < began):
            found.append((began, ended))
        else:
            last = None if before[1] is None or ended is None else max(before[1], ended)
            found[-1] = (before[0], last)
    return found


def flapping_links(devices: Sequence[Linked], at: datetime) -> Mapping[int, str]:
    """For devices with a flapping link, by id: a phrase on the link that changes most often. One query.

    with_status annotated the devices.
    """
    return {
        pk: f"{link} unstable: {number} changes in 1\u00a0h"
        for pk, (number, link) in most_changing(devices, at).items()
    }


def most_changing(devices: Sequence[Linked], at: datetime) -> Mapping[int, tuple[int, str]]:
    """For devices with a flapping link, by id: how often it changed within the hour, and its name. One query.

    Of two flapping links the one that changes more often. with_status annotated the devices.
    """
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
    """The ids of devices of these organizations (by id) whose status changed often within the hour.

    Those with most changes first. Only the newest changes are read, so where very many devices change, some
    are left out. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(OFTEN, [list(organizations), at - HOUR, at, LATEST, CALM, MOST])
        return [device for (device,) in cursor.fetchall()]


LATEST: Final = 2_000  # newest changes that are read of each organization
MOST: Final = 100  # devices that are returned at most
OFTEN: Final = """
SELECT newest.device_id FROM unnest(%s::bigint[]) AS scope(id), LATERAL (
    SELECT c.device_id FROM devices_statuschange c
    WHERE c.organization_id = scope.id AND c.at > %s AND c.at <= %s
    ORDER BY c.at DESC, c.id DESC LIMIT %s
) AS newest
GROUP BY newest.device_id HAVING count(*) >= %s
ORDER BY count(*) DESC, newest.device_id LIMIT %s
"""
