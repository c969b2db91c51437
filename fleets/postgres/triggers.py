"""The trigger that notifies the listener of new rows (fleets/postgres/listener.py)."""

import pgtrigger


def tell() -> pgtrigger.Trigger:
    """Sends a NOTIFY, on commit, for each organization that an INSERT into the table added rows for."""
    return pgtrigger.Trigger(
        name="tell",
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        referencing=pgtrigger.Referencing(new="new_rows"),
        func="""
                    PERFORM pg_notify('status_changed', organization_id::text)
                    FROM new_rows WHERE organization_id IS NOT NULL GROUP BY organization_id;
                    RETURN NULL;
                """,
    )
