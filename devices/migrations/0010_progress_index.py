"""When progress changed, to ten minutes: an index of what has stalled that reports rarely write to."""

from django.db import migrations, models
from django.db.models.functions import Cast


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0009_fleet_counts"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="recorded_progress_at",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    Cast(models.Value("10 minutes"), models.DurationField()),
                    "progress_changed_at",
                    Cast(models.Value("2000-01-01 00:00:00+00"), models.DateTimeField()),
                    function="date_bin",
                ),
                output_field=models.DateTimeField(null=True),
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("recorded_status__in", ("configuring", "updating"))),
                fields=["organization", "recorded_progress_at"],
                name="device_progress",
            ),
        ),
    ]
