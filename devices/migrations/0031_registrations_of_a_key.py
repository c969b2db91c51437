"""How many devices each provisioning key has registered, so far those that are still there."""

from django.db import migrations, models

COUNT = """
UPDATE devices_apikey k SET registered = d.count
FROM (SELECT provisioned_by_id, count(*) FROM devices_device GROUP BY provisioned_by_id) AS d
WHERE k.id = d.provisioned_by_id
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0030_listening_processes")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="registered",
            field=models.PositiveIntegerField(default=0, db_default=0, editable=False),
        ),
        migrations.AddField(
            model_name="apikey",
            name="registered_hour",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="registered_in_hour",
            field=models.PositiveIntegerField(default=0, db_default=0, editable=False),
        ),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
