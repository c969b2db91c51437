"""Counts per fleet and status, kept by the triggers that write the history."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# What there is; the new triggers, whose making keeps writers out until the end, count from here.
COUNTED = """
INSERT INTO devices_fleetcount (organization_id, fleet_id, status, number, changed_at, folded)
SELECT fleet.organization_id, fleet.id, there.status, there.number, newest.at, true
FROM (
    SELECT fleet_id, recorded_status AS status, count(*) AS number
    FROM devices_device GROUP BY fleet_id, recorded_status
) AS there
JOIN fleets_fleet fleet ON fleet.id = there.fleet_id
LEFT JOIN LATERAL (
    SELECT at FROM devices_statuschange WHERE fleet_id = fleet.id ORDER BY at DESC, id DESC LIMIT 1
) AS newest ON true
"""


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0008_jobs"),
        ("fleets", "0003_audit_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="FleetCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("status", models.CharField(max_length=17)),
                ("number", models.BigIntegerField()),
                ("changed_at", models.DateTimeField(null=True)),
                ("folded", models.BooleanField(default=False)),
                (
                    "fleet",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="counts",
                        to="fleets.fleet",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="fleets.organization",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="fleetcount",
            index=models.Index(fields=["organization", "fleet", "status"], name="count_of_organization"),
        ),
        migrations.AddIndex(
            model_name="fleetcount",
            index=models.Index(fields=["fleet", "status"], name="count_of_fleet"),
        ),
        migrations.AddIndex(
            model_name="fleetcount",
            index=models.Index(condition=models.Q(("folded", False)), fields=["id"], name="count_unfolded"),
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="device",
            name="history_created",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="device",
            name="history_deleted",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="device",
            name="history_changed",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="history_created",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        INSERT INTO devices_statuschange\n            (organization_id, fleet_id, device_id, before, after, at, reason)\n        SELECT organization_id, fleet_id, id, NULL, recorded_status, created_at, facts_reason\n        FROM new_rows;\n        INSERT INTO devices_fleetcount (organization_id, fleet_id, status, number, changed_at, folded)\n        SELECT organization_id, fleet_id, recorded_status, count(*), max(created_at), false\n        FROM new_rows GROUP BY organization_id, fleet_id, recorded_status;\n        PERFORM pg_notify('status_changed', organization_id::text)\n        FROM new_rows GROUP BY organization_id;\n        RETURN NULL;\n    ",
                    hash="116bd7c5efcad264496673db153fe2669d3e7827",
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
                    func="\n        -- The UPDATE below comes here too, with nothing to say.\n        IF pg_trigger_depth() > 1 THEN\n            RETURN NULL;\n        END IF;\n        -- Planned at each call: a plan kept from a call with few rows joins many by nested loop.\n        EXECUTE $sql$\n            WITH changed AS MATERIALIZED (\n                SELECT n.organization_id, n.fleet_id, n.id, n.facts_reason AS reason,\n                       o.organization_id AS left_organization, o.fleet_id AS left_fleet,\n                       o.recorded_status AS before, n.recorded_status AS after,\n                       GREATEST(COALESCE(n.facts_at, statement_timestamp()), o.recorded_status_at) AS at\n                FROM old_rows o JOIN new_rows n ON n.id = o.id\n                WHERE o.recorded_status <> n.recorded_status OR o.fleet_id <> n.fleet_id\n            ),\n            recorded AS (\n                INSERT INTO devices_statuschange\n                    (organization_id, fleet_id, device_id, before, after, at, reason)\n                SELECT organization_id, fleet_id, id, before, after, at, reason FROM changed\n            ),\n            counted AS (\n                INSERT INTO devices_fleetcount\n                    (organization_id, fleet_id, status, number, changed_at, folded)\n                SELECT organization_id, fleet_id, status, sum(number), max(at), false\n                FROM (\n                    SELECT left_organization, left_fleet, before, -1,\n                           CASE WHEN left_fleet = fleet_id THEN at END FROM changed\n                    UNION ALL\n                    SELECT organization_id, fleet_id, after, 1, at FROM changed\n                ) AS part (organization_id, fleet_id, status, number, at)\n                GROUP BY organization_id, fleet_id, status\n            ),\n            dated AS (\n                UPDATE devices_device d SET recorded_status_at = changed.at\n                FROM changed WHERE d.id = changed.id AND before <> after\n            )\n            SELECT pg_notify('status_changed', organization_id::text)\n            FROM changed GROUP BY organization_id\n        $sql$;\n        RETURN NULL;\n    ",
                    hash="0554ea522ef9ff0a5297a2d57a48cfa1fb1e010e",
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
                    func="\n        INSERT INTO devices_statuschange\n            (organization_id, fleet_id, device_id, before, after, at, reason)\n        SELECT organization_id, fleet_id, id, recorded_status, NULL,\n               CASE WHEN facts_reason ->> 'slug' = 'deleted'\n                    THEN GREATEST(facts_at, recorded_status_at) ELSE statement_timestamp() END,\n               jsonb_build_object('slug', 'deleted', 'name', name, 'uuid', uuid)\n        FROM old_rows;\n        INSERT INTO devices_fleetcount (organization_id, fleet_id, status, number, changed_at, folded)\n        SELECT organization_id, fleet_id, recorded_status, -count(*),\n               max(CASE WHEN facts_reason ->> 'slug' = 'deleted'\n                        THEN GREATEST(facts_at, recorded_status_at) ELSE statement_timestamp() END), false\n        FROM old_rows GROUP BY organization_id, fleet_id, recorded_status;\n        PERFORM pg_notify('status_changed', organization_id::text)\n        FROM old_rows GROUP BY organization_id;\n        RETURN NULL;\n    ",
                    hash="cc701c84db16adb2dfb48748ad75e665b0911f68",
                    level="STATEMENT",
                    operation="DELETE",
                    pgid="pgtrigger_history_deleted_d4bd1",
                    referencing="REFERENCING OLD TABLE AS old_rows ",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
        migrations.RunSQL(COUNTED, migrations.RunSQL.noop),
    ]
