-- After changes of links were recorded: tells the pages that are open, once they are committed.

PERFORM pg_notify('status_changed', organization_id::text)
FROM new_rows WHERE organization_id IS NOT NULL GROUP BY organization_id;
RETURN NULL;
