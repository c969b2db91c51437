"""When the site itself listened: the newest pulse of the ingest, and the outages that are over."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0010_progress_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="Listening",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("pulse_at", models.DateTimeField()),
                ("returned_at", models.DateTimeField(null=True)),
                ("worked_at", models.DateTimeField(null=True)),
                ("moved_to", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="listening_once")],
            },
        ),
        migrations.CreateModel(
            name="Outage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("began_at",), name="outage_once"),
                    models.CheckConstraint(
                        condition=models.Q(("ended_at__gt", models.F("began_at"))), name="outage_lasted"
                    ),
                ],
            },
        ),
    ]
