-- After devices came: their first status in the history and in the counts per fleet, and the news to the pages
-- that are open.

INSERT INTO devices_statuschange
    (organization_id, fleet_id, device_id, before, after, at, reason)
SELECT organization_id, fleet_id, id, NULL, recorded_status, created_at, facts_reason
FROM new_rows;
INSERT INTO devices_fleetcount (organization_id, fleet_id, status, number, changed_at, folded)
SELECT organization_id, fleet_id, recorded_status, count(*), max(created_at), false
FROM new_rows GROUP BY organization_id, fleet_id, recorded_status;
PERFORM pg_notify('status_changed', organization_id::text)
FROM new_rows GROUP BY organization_id;
RETURN NULL;
