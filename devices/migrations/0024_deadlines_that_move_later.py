"""Deadlines that have yet to move to after an outage of ours: its end, and up to when they have moved."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0023_digests")]

    operations = [
        migrations.AddField("listening", "resumed_at", models.DateTimeField(null=True)),
        migrations.AddField("listening", "moved_until", models.DateTimeField(null=True)),
    ]
