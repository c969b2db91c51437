-- After a change of a status, a fleet or a link was recorded: a signal to the teller, where the organization has
-- a rule in force. KIND stands for what changed.

INSERT INTO devices_signal (organization_id, kind, device_id, change_id, at)
SELECT n.organization_id, 'KIND', n.device_id, n.id, n.at
FROM new_rows n JOIN devices_listener l ON l.organization_id = n.organization_id;
RETURN NULL;
