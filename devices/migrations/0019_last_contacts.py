"""The last contact of each device that polls, whatever it was, in one indexed column."""

import django.db.models.functions.comparison
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0018_recorded_cells"),
    ]

    operations = [
        migrations.AddField(
            model_name="heartbeat",
            name="recorded_other_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunSQL(
            "UPDATE devices_heartbeat h SET recorded_other_at = d.last_contact_at"
            " FROM devices_device d WHERE h.device_id = d.id AND d.last_contact_at > h.last_poll_at",
            migrations.RunSQL.noop,
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="recorded_contact_at",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.comparison.Greatest(
                    "last_poll_at", "recorded_other_at"
                ),
                output_field=models.DateTimeField(),
            ),
        ),
        migrations.AddIndex(
            model_name="heartbeat",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["organization", "-recorded_contact_at", "-device"],
                name="heartbeat_contact",
            ),
        ),
        migrations.AddIndex(
            model_name="heartbeat",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False), ("poll_interval__gt", 900)),
                fields=["due_at"],
                name="heartbeat_seldom",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="contacted",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        IF pg_trigger_depth() > 1 THEN\n            RETURN NULL;\n        END IF;\n        UPDATE devices_heartbeat h SET recorded_other_at = n.last_contact_at\n        FROM new_rows n\n        WHERE h.device_id = n.id AND n.last_contact_at > h.recorded_contact_at;\n        RETURN NULL;\n    ",
                    hash="18efc70ac57aa789e68d1fd51afee9f382488d08",
                    level="STATEMENT",
                    operation="UPDATE",
                    pgid="pgtrigger_contacted_1199f",
                    referencing="REFERENCING NEW TABLE AS new_rows ",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
    ]
