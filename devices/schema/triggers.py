"""Triggers on Device: its organization follows its fleet, and its history and its counts write themselves.

The history trigger works per statement, on transition tables, so that a batch of any size costs one
pass; it dates a change by the `facts_at` and gives the `facts_reason` the writer set in the same UPDATE.
A writer that knows the status may date it too, which spares another version of the row.
What lists are found by in other tables is copied here too: last contacts, and what is searched.
"""

import pgtrigger

from devices.rules import status_code
from devices.schema import search_document

ORGANIZATION = pgtrigger.Trigger(
    name="organization",
    level=pgtrigger.Row,
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.UpdateOf("fleet_id"),
    func="""
        SELECT organization_id INTO NEW.organization_id FROM fleets_fleet WHERE id = NEW.fleet_id;
        RETURN NEW;
    """,
)

CREATED = pgtrigger.Trigger(
    name="history_created",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="new_rows"),
    func="""
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
    """,
)

CHANGED = pgtrigger.Trigger(
    name="history_changed",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Update,
    referencing=pgtrigger.Referencing(old="old_rows", new="new_rows"),
    func="""
        -- The UPDATE below comes here too, with nothing to say.
        IF pg_trigger_depth() > 1 THEN
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
    """,
)

DELETED = pgtrigger.Trigger(
    name="history_deleted",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Delete,
    referencing=pgtrigger.Referencing(old="old_rows"),
    func="""
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
    """,
)

# Only of those that poll: of others nobody reads it there, and when one polls again, its edge comes here.
COPY_CONTACT = """
        IF pg_trigger_depth() > 1 THEN
            RETURN NULL;
        END IF;
        UPDATE devices_heartbeat h SET recorded_other_at = n.last_contact_at
        FROM new_rows n
        WHERE n.heartbeat_state NOT IN ({quiet}) AND h.device_id = n.id
            AND n.last_contact_at > h.recorded_contact_at;
        RETURN NULL;
"""
CONTACTED = pgtrigger.Trigger(
    name="contacted",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Update,
    referencing=pgtrigger.Referencing(new="new_rows"),
    func=COPY_CONTACT.format(quiet=", ".join(f"'{state}'" for state in status_code.QUIET)),
)

DESCRIBE = f"""
        {search_document.describe("(SELECT NEW.*)")};
        RETURN NULL;
"""
DESCRIBED_NEW = pgtrigger.Trigger(
    name="described_new",
    level=pgtrigger.Row,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    func=DESCRIBE,
)
DESCRIBED_AGAIN = pgtrigger.Trigger(
    name="described_again",
    level=pgtrigger.Row,
    when=pgtrigger.After,
    operation=pgtrigger.UpdateOf(*search_document.DESCRIBED),
    condition=pgtrigger.AnyChange(*search_document.DESCRIBED),
    func=DESCRIBE,
)

DESCRIBED_NO_MORE = pgtrigger.Trigger(
    name="described_no_more",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Delete,
    referencing=pgtrigger.Referencing(old="old_rows"),
    func="""
        DELETE FROM devices_description d USING old_rows WHERE d.device_id = old_rows.id;
        RETURN NULL;
    """,
)

DEVICE = [
    *(ORGANIZATION, CREATED, CHANGED, DELETED, CONTACTED),
    *(DESCRIBED_NEW, DESCRIBED_AGAIN, DESCRIBED_NO_MORE),
]
