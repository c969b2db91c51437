"""Whether the counts per fleet and status say what the devices do, and how they are made anew."""

from __future__ import annotations

from django.db import connection, transaction

# Joined row by row to what there is; only a check and a repair look at every device.
WRONG = """
SELECT fleet_id, status, COALESCE(kept.number, 0), COALESCE(there.number, 0)
FROM (
    SELECT fleet_id, status, sum(number) AS number FROM devices_fleetcount GROUP BY fleet_id, status
) AS kept
FULL JOIN (
    SELECT fleet_id, recorded_status AS status, count(*) AS number
    FROM devices_device GROUP BY fleet_id, recorded_status
) AS there USING (fleet_id, status)
WHERE COALESCE(kept.number, 0) <> COALESCE(there.number, 0)
ORDER BY fleet_id, status
"""
RECOUNT = """
INSERT INTO devices_fleetcount (organization_id, fleet_id, status, number, changed_at, folded)
SELECT fleet.organization_id, fleet.id, there.status, there.number, newest.at, true
FROM (
    SELECT fleet_id, recorded_status AS status, count(*) AS number
    FROM devices_device GROUP BY fleet_id, recorded_status
) AS there
JOIN fleets_fleet fleet ON fleet.id = there.fleet_id
LEFT JOIN LATERAL (
    SELECT at FROM devices_statuschange WHERE fleet_id = fleet.id ORDER BY at DESC, id DESC LIMIT 1
) AS newest ON true
"""


def wrong() -> list[tuple[int, str, int, int]]:
    """(fleet, status, kept, there) where the counters do not say what the devices do: none, or we have a bug.

    Looks at every device.
    """
    with connection.cursor() as cursor:
        cursor.execute(WRONG)
        return list(cursor.fetchall())


@transaction.atomic
def recount() -> None:
    """Count every device anew, while writers wait."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE devices_device IN SHARE MODE")
        cursor.execute("DELETE FROM devices_fleetcount")
        cursor.execute(RECOUNT)
