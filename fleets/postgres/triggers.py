"""The trigger of what is news: rows whose coming concerns the pages that are open
(fleets/postgres/listener.py).
"""

import pgtrigger


def tell() -> pgtrigger.Trigger:
    """Tells of each organization that rows came for, once they are committed."""
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
