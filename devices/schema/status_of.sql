-- The status of a device by the facts that are recorded of it: the rules of docs/domain.md, the first that
-- holds wins. Made of RULES in devices/rules/rules.py, not by hand: docs/changing-a-rule.md. One expression,
-- which PostgreSQL puts in place of each call; a SET or STRICT would keep it from doing so.

CREATE OR REPLACE FUNCTION devices_status_of(
    frozen_reason text,
    is_active boolean,
    provisioning_state text,
    provisioning_progress smallint,
    update_progress smallint,
    provisioned_at timestamptz,
    first_contact_at timestamptz,
    vpn_enabled boolean,
    vpn_connected boolean,
    vpn_changed_at timestamptz,
    heartbeat_state text
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN NOT (frozen_reason = '') THEN 'frozen'
    WHEN NOT is_active THEN 'inactive'
    WHEN provisioning_state = 'Post-Provisioning' THEN 'post-provisioning'
    WHEN (heartbeat_state = 'unknown' AND vpn_changed_at IS NULL AND provisioning_progress IS NOT NULL) THEN 'configuring'
    WHEN (heartbeat_state = 'unknown' AND vpn_changed_at IS NULL AND provisioned_at IS NOT NULL) THEN 'post-provisioning'
    WHEN (heartbeat_state = 'unknown' AND vpn_changed_at IS NULL AND first_contact_at IS NULL) THEN 'inactive'
    WHEN (NOT vpn_connected AND heartbeat_state IN ('lost', 'unknown')) THEN 'offline'
    WHEN provisioning_progress IS NOT NULL THEN 'configuring'
    WHEN (update_progress IS NOT NULL AND heartbeat_state IN ('recent', 'late')) THEN 'updating'
    WHEN (vpn_connected AND NOT (heartbeat_state = 'recent')) THEN 'vpn-only'
    WHEN (NOT vpn_connected AND NOT (NOT vpn_enabled AND heartbeat_state = 'recent')) THEN 'heartbeat-only'
    ELSE 'online'
END
$$;
