"""The length of outages that are no longer kept, so that their sum never shrinks."""

from datetime import timedelta

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0015_sources"),
    ]

    operations = [
        migrations.AddField(
            model_name="listening",
            name="forgotten",
            field=models.DurationField(db_default=timedelta(), default=timedelta()),
        ),
    ]
