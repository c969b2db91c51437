"""Which versions of their rows devices have: whether anything at all was written about them meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from devices.clock import Moment
from devices.models import Device
from devices.status.reading import moved_ids

# The transaction that wrote a row names its version; those of a device and of its heartbeat.
VERSIONS = """
SELECT array_agg((d.xmin, h.xmin)::text ORDER BY d.id)
FROM devices_device d LEFT JOIN devices_heartbeat h ON h.device_id = d.id WHERE d.uuid = ANY(%s)
"""


def versions(uuids: Sequence[str]) -> tuple[str, ...]:
    """Another value once a fact of one of these devices was written."""
    if not uuids:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(VERSIONS, [list(uuids)])
        return tuple(cursor.fetchone()[0] or ())


def any_moved(organizations: Sequence[int], at: Moment) -> bool:
    """Whether the clock alone has changed a device of these organizations, and nobody has recorded it yet."""
    moved = moved_ids(at)
    return bool(moved) and Device.objects.filter(pk__in=moved, organization__in=organizations).exists()
