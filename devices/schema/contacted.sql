-- After devices changed: a contact that was no poll, beside the last poll, of those that poll. Of others nobody
-- reads it there.

IF pg_trigger_depth() > 1 THEN
    RETURN NULL;
END IF;
UPDATE devices_heartbeat h SET recorded_other_at = n.last_contact_at
FROM new_rows n
WHERE n.heartbeat_state NOT IN ('unknown', 'lost') AND h.device_id = n.id
    AND n.last_contact_at > h.recorded_contact_at;
RETURN NULL;
