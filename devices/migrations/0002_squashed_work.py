"""Counts, background jobs and what they are about, saved views, and the ledger of when the site listened."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import CASCADE, DO_NOTHING, SET_NULL, F, Q
from django.db.models.functions import Lower

ROLES = {
    "observer": "Observer",
    "operator": "Operator",
    "administrator": "Administrator",
    "owner": "Owner",
}
UNFINISHED = {"waiting": "Waiting", "running": "Running"}
FINISHED = {"done": "Done", "failed": "Failed", "cancelled": "Cancelled"}
OUTCOMES = {"done": "Done", "skipped": "Skipped", "failed": "Failed"}


def number() -> tuple[str, Any]:
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def public_id() -> Any:
    return models.UUIDField(default=uuid.uuid4, editable=False, unique=True)


def moment() -> Any:
    return models.DateTimeField(null=True)


def person(on_delete: Any, **options: Any) -> Any:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=on_delete, null=True, related_name="+", **options
    )


def refers(to: str, on_delete: Any = CASCADE, related_name: str | None = "+", **options: Any) -> Any:
    return models.ForeignKey(to, on_delete=on_delete, db_index=False, related_name=related_name, **options)


def unchecked(to: str, on_delete: Any = DO_NOTHING, related_name: str = "+", **options: Any) -> Any:
    """Without a constraint: rows are many, and outlive what they refer to or go with it."""
    return refers(to, on_delete, related_name, db_constraint=False, **options)


class Migration(migrations.Migration):
    replaces = [
        ("devices", "0008_jobs"),
        ("devices", "0009_fleet_counts"),
        ("devices", "0011_listening_ledger"),
        ("devices", "0013_device_lists"),
        ("devices", "0014_selections"),
        ("devices", "0015_saved_views"),
        ("devices", "0022_fleet_tallies"),
        ("devices", "0023_bulk_in_batches"),
        ("devices", "0025_verifications"),
        ("devices", "0029_keys_offered_again"),
        ("devices", "0030_listening_processes"),
        ("devices", "0032_clock_steps"),
        ("devices", "0037_kept_texts"),
    ]
    dependencies = [
        ("devices", "0001_squashed_devices"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FleetCount",
            fields=[
                number(),
                ("status", models.CharField(max_length=17)),
                ("number", models.BigIntegerField()),
                ("changed_at", moment()),
                ("folded", models.BooleanField(default=False)),
                ("fleet", unchecked("fleets.fleet", CASCADE, "counts")),
                ("organization", unchecked("fleets.organization")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organization", "fleet", "status"], name="count_of_organization"),
                    models.Index(fields=["fleet", "status"], name="count_of_fleet"),
                    models.Index(condition=Q(folded=False), fields=["id"], name="count_unfolded"),
                ]
            },
        ),
        migrations.CreateModel(
            name="FleetTally",
            fields=[
                number(),
                ("at", models.DateTimeField()),
                ("counts", ArrayField(models.IntegerField(), size=9)),
                ("fleet", unchecked("fleets.fleet", null=True)),
                ("organization", unchecked("fleets.organization")),
            ],
            options={
                "indexes": [models.Index(fields=["at", "organization"], name="tally_by_hour")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(fleet__isnull=False), fields=["fleet", "at"], name="tally_of_fleet"
                    ),
                    models.UniqueConstraint(
                        condition=Q(fleet__isnull=True),
                        fields=["organization", "at"],
                        name="tally_of_organization",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                number(),
                ("uuid", public_id()),
                ("kind", models.CharField(max_length=20)),
                ("title", models.CharField(max_length=255)),
                ("parameters", models.JSONField(default=dict)),
                ("whole", models.BooleanField(default=True)),
                (
                    "least_role",
                    models.CharField(choices=list(ROLES.items()), default="operator", max_length=13),
                ),
                ("started_by_name", models.CharField(max_length=255)),
                (
                    "state",
                    models.CharField(
                        choices=list((UNFINISHED | FINISHED).items()), default="waiting", max_length=9
                    ),
                ),
                ("done", models.PositiveIntegerField(default=0)),
                ("total", models.PositiveIntegerField(null=True)),
                ("words", models.TextField(blank=True)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("started_at", moment()),
                ("finished_at", moment()),
                ("cancel_at", moment()),
                ("cancelled_by_name", models.CharField(blank=True, max_length=255)),
                ("organization", refers("fleets.organization", related_name="jobs")),
                ("started_by", person(SET_NULL)),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "indexes": [models.Index(fields=["organization", "-created_at", "-id"], name="job_by_time")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(finished_at__isnull=True, state__in=list(UNFINISHED))
                        | Q(finished_at__isnull=False, state__in=list(FINISHED)),
                        name="job_finished",
                    ),
                    models.CheckConstraint(condition=Q(least_role__in=list(ROLES)), name="job_role"),
                ],
            },
        ),
        migrations.CreateModel(
            name="JobResult",
            fields=[
                number(),
                ("device_id", models.BigIntegerField()),
                ("device_uuid", models.TextField()),
                ("device_name", models.CharField(max_length=255)),
                ("outcome", models.CharField(choices=list(OUTCOMES.items()), max_length=7)),
                ("why", models.CharField(blank=True, max_length=255)),
                ("job", refers("devices.job", related_name="results")),
                ("organization", refers("fleets.organization", related_name=None)),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [models.Index(fields=["job", "outcome", "id"], name="job_result_by_outcome")],
                "constraints": [models.UniqueConstraint(fields=["job", "device_id"], name="job_result_once")],
            },
        ),
        migrations.CreateModel(
            name="DeviceList",
            fields=[
                number(),
                ("uuid", public_id()),
                ("file_name", models.CharField(max_length=255)),
                ("lines", models.JSONField(default=list)),
                ("count", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField()),
                ("keys_at", moment()),
                ("keys_by_name", models.CharField(blank=True, max_length=255)),
                ("keys_confirmed_at", moment()),
                ("encrypted_keys", models.TextField(blank=True, db_default="", default="")),
                ("fleet", models.ForeignKey("fleets.fleet", on_delete=CASCADE, related_name="+")),
                ("organization", refers("fleets.organization")),
                ("uploaded_by", person(SET_NULL)),
                (
                    "job",
                    models.OneToOneField(
                        "devices.job", null=True, on_delete=CASCADE, related_name="device_list"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=Q(job__isnull=True), fields=["created_at"], name="device_list_unconfirmed"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="Selection",
            fields=[
                number(),
                ("uuid", public_id()),
                ("query", models.TextField(null=True)),
                ("total", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField()),
                ("job", refers("devices.job", SET_NULL, null=True)),
                ("organization", refers("fleets.organization")),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "created_at"], name="selection_by_time")]
            },
        ),
        migrations.CreateModel(
            name="SelectedDevice",
            fields=[
                number(),
                ("device_id", models.BigIntegerField()),
                ("device_uuid", models.TextField()),
                ("organization", unchecked("fleets.organization", CASCADE)),
                ("selection", unchecked("devices.selection", CASCADE, "devices")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["selection", "device_id"], name="selected_once")
                ]
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                number(),
                ("uuid", public_id()),
                ("name", models.CharField(max_length=60)),
                ("query", models.TextField()),
                ("organization", refers("fleets.organization", null=True)),
                ("owner", person(CASCADE, db_index=False)),
            ],
            options={
                "ordering": [
                    models.Func(
                        "name",
                        output_field=models.TextField(),
                        template='lower(normalize(%(expressions)s, NFD) COLLATE "C")',
                    ),
                    "pk",
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(owner__isnull=True) ^ Q(organization__isnull=True), name="view_of_one"
                    ),
                    models.UniqueConstraint("owner", Lower("name"), name="view_name_of_owner"),
                    models.UniqueConstraint("organization", Lower("name"), name="view_name_of_organization"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Listening",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("pulse_at", models.DateTimeField()),
                ("returned_at", moment()),
                ("worked_at", moment()),
                ("moved_to", models.BigIntegerField(default=0)),
                ("ahead", models.BooleanField(db_default=False, default=False)),
                ("stepped_at", moment()),
                ("stepped_by", models.DurationField(null=True)),
            ],
            options={"constraints": [models.CheckConstraint(condition=Q(id=1), name="listening_once")]},
        ),
        migrations.CreateModel(
            name="ListeningProcess",
            fields=[
                ("id", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("pulse_at", models.DateTimeField()),
                ("name", models.CharField(max_length=255)),
            ],
        ),
        migrations.CreateModel(
            name="Outage",
            fields=[
                number(),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["began_at"], name="outage_once"),
                    models.CheckConstraint(condition=Q(ended_at__gt=F("began_at")), name="outage_lasted"),
                ]
            },
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                number(),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("found", models.PositiveIntegerField()),
                ("lines", ArrayField(models.TextField(), default=list)),
            ],
        ),
    ]
