"""A device that stops polling no longer has its last contact looked up beside its polls: nobody reads it there.

Replaces a trigger function: quick with any number of devices.
"""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0026_link_news"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="device",
            name="contacted",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="contacted",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        IF pg_trigger_depth() > 1 THEN\n            RETURN NULL;\n        END IF;\n        UPDATE devices_heartbeat h SET recorded_other_at = n.last_contact_at\n        FROM new_rows n\n        WHERE n.heartbeat_state NOT IN ('unknown', 'lost') AND h.device_id = n.id\n            AND n.last_contact_at > h.recorded_contact_at;\n        RETURN NULL;\n",
                    hash="f81dac28d6f481ce1ad586e85baddbad1c4e65eb",
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
