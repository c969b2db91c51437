"""How many devices of each fleet have stalled: those that have are counted, or else those that have not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from devices.listing.filters import in_organizations
from devices.rules.stalled import NAMED, progressed_since, recorded_stalled
from devices.status import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devices.clock import Moment
    from fleets.models import Organization

# So many stalled devices are counted one by one. Where there are more, as after an update that got stuck,
# most of the devices that configure or update have usually stalled, and the others are few.
FEW: Final = 5000
# All that configure or update by the counters, without those that have not stalled, and without those that
# moved. OR would have all of the index read.
OTHERWISE: Final = """
SELECT fleet_id, sum(number) FROM (
    SELECT fleet_id, number FROM devices_fleetcount WHERE organization_id = ANY(%s) AND status IN {named}
    UNION ALL {others}
    UNION ALL SELECT fleet_id, -1 FROM devices_device d
    WHERE id = ANY(%s) AND organization_id = ANY(%s) AND {stalled}
) AS summand GROUP BY fleet_id HAVING sum(number) <> 0
"""
OTHER: Final = """
SELECT fleet_id, -1 FROM devices_device d
WHERE organization_id = ANY(%s) AND {progressed} AND ({stalled}) IS NOT TRUE
"""


def stalled_by_fleet(
    organizations: Sequence[Organization], at: Moment, moved: Sequence[int]
) -> dict[int, int]:
    """How many devices have stalled at `at`, by fleet id, without fleets that have none.

    `moved`: the ids of the devices that moved. One query where few have stalled, else three at most.
    """
    devices = in_organizations(organizations)
    stalled = reading.stalled(devices, at, moved).order_by()
    found = Counter(stalled.values_list("fleet_id", flat=True)[: FEW + 1])
    if found.total() <= FEW:
        return dict(found)
    counted = Counter(_otherwise([organization.pk for organization in organizations], at, moved))
    if moved:
        those = reading.stalled(devices.filter(pk__in=moved), at, moved).order_by()
        counted.update(those.values_list("fleet_id", flat=True))
    return dict(counted)


def _otherwise(organizations: list[int], at: Moment, moved: Sequence[int]) -> dict[int, int]:
    """The numbers of those that have not moved, by fleet id."""
    stalled, stopped_by = recorded_stalled(at.heard)
    sides = progressed_since(at.heard)
    others = " UNION ALL ".join(OTHER.format(progressed=sql, stalled=stalled) for sql, _ in sides)
    params: list[Any] = [organizations]
    for _, given in sides:
        params += [organizations, *given, *stopped_by]
    params += [list(moved), organizations, *stopped_by]
    with connection.cursor() as cursor:
        cursor.execute(OTHERWISE.format(named=NAMED, others=others, stalled=stalled), params)
        return {fleet: int(number) for fleet, number in cursor}
