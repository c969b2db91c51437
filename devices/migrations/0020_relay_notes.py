"""What the relay notes of a source and its devices: calls that were seen, facts that were lost, refused keys."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0019_unstable_members")]

    operations = [
        migrations.AddField("source", "relay_seen_at", models.DateTimeField(null=True, editable=False)),
        migrations.AddField(
            "source", "relay_lost", models.BigIntegerField(default=0, db_default=0, editable=False)
        ),
        migrations.AddField("source", "relay_lost_at", models.DateTimeField(null=True, editable=False)),
        migrations.AddField("mirroreddevice", "refused_at", models.DateTimeField(null=True, editable=False)),
    ]
