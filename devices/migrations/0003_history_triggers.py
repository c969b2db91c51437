"""The triggers that keep a device in its organization and write its history."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("fleets", "0001_organizations_members_fleets"),
        ("devices", "0002_histories"),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="organization",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        SELECT organization_id INTO NEW.organization_id FROM fleets_fleet WHERE id = NEW.fleet_id;\n        RETURN NEW;\n    ",
                    hash="01652bb4f8f8fa9e9f12d30c9f71c7c0ccd193c1",
                    operation='INSERT OR UPDATE OF "fleet_id"',
                    pgid="pgtrigger_organization_ca1a7",
                    table="devices_device",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="history_created",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        INSERT INTO devices_statuschange\n            (organization_id, fleet_id, device_id, before, after, at, reason)\n        SELECT organization_id, fleet_id, id, NULL, recorded_status, created_at, facts_reason\n        FROM new_rows;\n        PERFORM pg_notify('status_changed', organization_id::text)\n        FROM new_rows GROUP BY organization_id;\n        RETURN NULL;\n    ",
                    hash="2ee4b3727835def5a65ce5d6e731d0ce568e7315",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_history_created_c1cc8",
                    referencing="REFERENCING NEW TABLE AS new_rows ",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="history_changed",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        -- The second UPDATE below comes here too, with nothing to say.\n        IF pg_trigger_depth() > 1 THEN\n            RETURN NULL;\n        END IF;\n        INSERT INTO devices_statuschange\n            (organization_id, fleet_id, device_id, before, after, at, reason)\n        SELECT n.organization_id, n.fleet_id, n.id, o.recorded_status, n.recorded_status,\n               GREATEST(COALESCE(n.facts_at, statement_timestamp()), o.recorded_status_at),\n               n.facts_reason\n        FROM old_rows o JOIN new_rows n ON n.id = o.id\n        WHERE o.recorded_status <> n.recorded_status OR o.fleet_id <> n.fleet_id;\n        IF NOT FOUND THEN\n            RETURN NULL;\n        END IF;\n        UPDATE devices_device d\n        SET recorded_status_at =\n            GREATEST(COALESCE(n.facts_at, statement_timestamp()), o.recorded_status_at)\n        FROM old_rows o JOIN new_rows n ON n.id = o.id\n        WHERE d.id = n.id AND o.recorded_status <> n.recorded_status;\n        PERFORM pg_notify('status_changed', n.organization_id::text)\n        FROM old_rows o JOIN new_rows n ON n.id = o.id\n        WHERE o.recorded_status <> n.recorded_status OR o.fleet_id <> n.fleet_id\n        GROUP BY n.organization_id;\n        RETURN NULL;\n    ",
                    hash="fc0e228425645033bd7e953953709e403c4af6fa",
                    level="STATEMENT",
                    operation="UPDATE",
                    pgid="pgtrigger_history_changed_86f9a",
                    referencing="REFERENCING OLD TABLE AS old_rows  NEW TABLE AS new_rows ",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="history_deleted",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        INSERT INTO devices_statuschange\n            (organization_id, fleet_id, device_id, before, after, at, reason)\n        SELECT organization_id, fleet_id, id, recorded_status, NULL,\n               CASE WHEN facts_reason ->> 'slug' = 'deleted'\n                    THEN GREATEST(facts_at, recorded_status_at) ELSE statement_timestamp() END,\n               jsonb_build_object('slug', 'deleted', 'name', name, 'uuid', uuid)\n        FROM old_rows;\n        PERFORM pg_notify('status_changed', organization_id::text)\n        FROM old_rows GROUP BY organization_id;\n        RETURN NULL;\n    ",
                    hash="27a8dd804d79b0bfd89b0b50c956193003767d8c",
                    level="STATEMENT",
                    operation="DELETE",
                    pgid="pgtrigger_history_deleted_d4bd1",
                    referencing="REFERENCING OLD TABLE AS old_rows ",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
    ]
