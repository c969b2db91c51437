"""The file of a list's keys can be downloaded again until somebody confirms to have it. A small table."""

from django.db import migrations, models

# Files of before were handed out once, and nothing of them is stored.
HANDED_OUT = "UPDATE devices_devicelist SET keys_confirmed_at = keys_at WHERE keys_at IS NOT NULL"


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0028_leases_without_end"),
    ]

    operations = [
        migrations.AddField(
            model_name="devicelist",
            name="keys_confirmed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="devicelist",
            name="encrypted_keys",
            field=models.TextField(blank=True, default="", db_default=""),
        ),
        migrations.RunSQL(HANDED_OUT, migrations.RunSQL.noop),
    ]
