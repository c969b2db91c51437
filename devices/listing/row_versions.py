"""The versions of devices' rows, which tell whether anything about them was written meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from devices import clock
from devices.clock import Moment
from devices.models import Device
from devices.status.reading import moved_ids

# A row's version is the id of the transaction that wrote it (xmin): of a device and of its heartbeat.
VERSIONS = """
SELECT array_agg((d.xmin, h.xmin)::text ORDER BY d.id)
FROM devices_device d LEFT JOIN devices_heartbeat h ON h.device_id = d.id WHERE d.uuid = ANY(%(uuids)s)
"""


def moment_with_versions(uuids: Sequence[str]) -> tuple[Moment, tuple[str, ...]]:
    """The present moment, and a value that changes once a row of one of these devices (by UUID) is written.

    One query.
    """
    if not uuids:
        return clock.moment(), ()
    at, ((found,),) = clock.moment_with(VERSIONS, {"uuids": list(uuids)})
    return at, tuple(found or ())


def any_moved(organizations: Sequence[int], at: Moment) -> bool:
    """Whether any device of these organizations (by id) moved: changed by the clock and not recorded yet."""
    moved = moved_ids(at)
    return bool(moved) and Device.objects.filter(pk__in=moved, organization__in=organizations).exists()
