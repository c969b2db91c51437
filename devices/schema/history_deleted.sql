-- After devices were deleted: their end in the history and in the counts per fleet, and the news to the pages
-- that are open.

INSERT INTO devices_statuschange
    (organization_id, fleet_id, device_id, before, after, at, reason)
SELECT organization_id, fleet_id, id, recorded_status, NULL,
       CASE WHEN facts_reason ->> 'slug' = 'deleted'
            THEN GREATEST(facts_at, recorded_status_at) ELSE statement_timestamp() END,
       jsonb_build_object('slug', 'deleted', 'name', name, 'uuid', uuid)
FROM old_rows;
INSERT INTO devices_fleetcount (organization_id, fleet_id, status, number, changed_at, folded)
SELECT organization_id, fleet_id, recorded_status, -count(*),
       max(CASE WHEN facts_reason ->> 'slug' = 'deleted'
                THEN GREATEST(facts_at, recorded_status_at) ELSE statement_timestamp() END), false
FROM old_rows GROUP BY organization_id, fleet_id, recorded_status;
PERFORM pg_notify('status_changed', organization_id::text)
FROM old_rows GROUP BY organization_id;
RETURN NULL;
