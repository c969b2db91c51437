"""Jobs in the background, and what came of each device."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0007_places"),
        ("fleets", "0003_audit_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("kind", models.CharField(max_length=20)),
                ("title", models.CharField(max_length=255)),
                ("parameters", models.JSONField(default=dict)),
                ("whole", models.BooleanField(default=True)),
                (
                    "least_role",
                    models.CharField(
                        choices=[
                            ("observer", "Observer"),
                            ("operator", "Operator"),
                            ("administrator", "Administrator"),
                            ("owner", "Owner"),
                        ],
                        default="operator",
                        max_length=13,
                    ),
                ),
                ("started_by_name", models.CharField(max_length=255)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("done", models.PositiveIntegerField(default=0)),
                ("total", models.PositiveIntegerField(null=True)),
                ("words", models.TextField(blank=True)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("cancel_at", models.DateTimeField(null=True)),
                ("cancelled_by_name", models.CharField(blank=True, max_length=255)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="jobs",
                        to="fleets.organization",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="JobResult",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("device_id", models.BigIntegerField()),
                ("device_uuid", models.TextField()),
                ("device_name", models.CharField(max_length=255)),
                (
                    "outcome",
                    models.CharField(
                        choices=[("done", "Done"), ("skipped", "Skipped"), ("failed", "Failed")], max_length=7
                    ),
                ),
                ("why", models.CharField(blank=True, max_length=255)),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="results",
                        to="devices.job",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="fleets.organization"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["organization", "-created_at", "-id"], name="job_by_time"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("state__in", ["waiting", "running"])),
                    models.Q(("finished_at__isnull", False), ("state__in", ["done", "failed", "cancelled"])),
                    _connector="OR",
                ),
                name="job_finished",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("least_role__in", ["observer", "operator", "administrator", "owner"])),
                name="job_role",
            ),
        ),
        migrations.AddIndex(
            model_name="jobresult",
            index=models.Index(fields=["job", "outcome", "id"], name="job_result_by_outcome"),
        ),
        migrations.AddConstraint(
            model_name="jobresult",
            constraint=models.UniqueConstraint(fields=("job", "device_id"), name="job_result_once"),
        ),
    ]
