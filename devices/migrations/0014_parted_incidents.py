"""Which incident a device was left of, whose incident it is now."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0013_message_received_by")]

    operations = [
        migrations.AddField(
            "incident",
            "parted_from",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="parted",
                to="devices.incident",
            ),
        )
    ]
