-- After devices changed: where a status or a fleet is another one, the history, the counts per fleet, the date
-- of the status, and the news to the pages that are open. The writer gave date (facts_at) and reason
-- (facts_reason).

-- The UPDATE below comes here too, with nothing to say.
IF pg_trigger_depth() > 1 THEN
    RETURN NULL;
END IF;
-- Most statements, such as those of reports, change neither, which is found without planning the rest.
IF NOT EXISTS (
    SELECT id, fleet_id, recorded_status FROM new_rows
    EXCEPT SELECT id, fleet_id, recorded_status FROM old_rows
) THEN
    RETURN NULL;
END IF;
-- Planned at each call: a plan kept from a call with few rows joins many by nested loop.
EXECUTE $sql$
    WITH changed AS MATERIALIZED (
        SELECT n.organization_id, n.fleet_id, n.id, n.facts_reason AS reason,
               o.organization_id AS left_organization, o.fleet_id AS left_fleet,
               o.recorded_status AS before, n.recorded_status AS after,
               n.recorded_status_at AS dated,
               GREATEST(COALESCE(n.facts_at, statement_timestamp()), o.recorded_status_at) AS at
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE o.recorded_status <> n.recorded_status OR o.fleet_id <> n.fleet_id
    ),
    recorded AS (
        INSERT INTO devices_statuschange
            (organization_id, fleet_id, left_fleet_id, device_id, before, after, at, reason)
        SELECT organization_id, fleet_id, NULLIF(left_fleet, fleet_id), id, before, after, at, reason
        FROM changed
    ),
    counted AS (
        INSERT INTO devices_fleetcount
            (organization_id, fleet_id, status, number, changed_at, folded)
        SELECT organization_id, fleet_id, status, sum(number), max(at), false
        FROM (
            SELECT left_organization, left_fleet, before, -1,
                   CASE WHEN left_fleet = fleet_id THEN at END FROM changed
            UNION ALL
            SELECT organization_id, fleet_id, after, 1, at FROM changed
        ) AS part (organization_id, fleet_id, status, number, at)
        GROUP BY organization_id, fleet_id, status
    ),
    dated AS (
        UPDATE devices_device d SET recorded_status_at = changed.at
        FROM changed
        WHERE d.id = changed.id AND before <> after AND dated IS DISTINCT FROM changed.at
    )
    SELECT pg_notify('status_changed', organization_id::text)
    FROM changed GROUP BY organization_id
$sql$;
RETURN NULL;
