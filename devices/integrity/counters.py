"""Checking the counters per fleet and status against the devices, and counting them anew."""

from __future__ import annotations

from django.db import connection, transaction

# Counters that differ from the number of devices; reads every device.
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
    """Rows (fleet id, status, counter, devices) where a counter is not the number of devices: a bug of ours.

    Reads every device.
    """
    with connection.cursor() as cursor:
        cursor.execute(WRONG)
        return list(cursor.fetchall())


@transaction.atomic
def recount() -> None:
    """Replace the counters by counting every device; writers of devices wait meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE devices_device IN SHARE MODE")
        cursor.execute("DELETE FROM devices_fleetcount")
        cursor.execute(RECOUNT)
