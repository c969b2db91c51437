-- After devices were deleted: what was searched of them goes too.

DELETE FROM devices_description d USING old_rows WHERE d.device_id = old_rows.id;
RETURN NULL;
