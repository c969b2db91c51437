"""Sources: an openBalena or balenaCloud beside the site, and which fleets and devices mirror it."""

import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0014_parted_incidents"),
        ("fleets", "0006_labels"),
    ]

    operations = [
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("balena", "openBalena or balenaCloud")], default="balena", max_length=10
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("address", models.CharField(max_length=255)),
                ("token", models.TextField(editable=False)),
                ("token_end", models.CharField(blank=True, editable=False, max_length=4)),
                (
                    "only_fleets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), blank=True, default=list, size=None
                    ),
                ),
                (
                    "poll_interval",
                    models.PositiveIntegerField(
                        default=600,
                        validators=[
                            django.core.validators.MinValueValidator(10),
                            django.core.validators.MaxValueValidator(86400),
                        ],
                    ),
                ),
                ("relay_host", models.CharField(blank=True, default="", max_length=255)),
                ("relay_to", models.CharField(blank=True, default="", max_length=255)),
                ("created_at", models.DateTimeField()),
                ("swept_at", models.DateTimeField(editable=False, null=True)),
                ("whole_at", models.DateTimeField(editable=False, null=True)),
                ("tried_at", models.DateTimeField(editable=False, null=True)),
                ("pause", models.PositiveIntegerField(default=0, editable=False)),
                ("failures", models.PositiveIntegerField(default=0, editable=False)),
                ("error", models.TextField(blank=True, default="", editable=False)),
                ("known_fields", models.JSONField(default=dict, editable=False)),
                (
                    "refused_uuids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=62), default=list, editable=False, size=None
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sources",
                        to="fleets.organization",
                    ),
                ),
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
            },
        ),
        migrations.CreateModel(
            name="MirroredFleet",
            fields=[
                (
                    "fleet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="mirrored",
                        serialize=False,
                        to="fleets.fleet",
                    ),
                ),
                ("remote_id", models.BigIntegerField()),
                ("slug", models.CharField(max_length=255)),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="fleets",
                        to="devices.source",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MirroredDevice",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="mirrored",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("remote_id", models.BigIntegerField()),
                ("status", models.CharField(blank=True, default="", max_length=50)),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="devices",
                        to="devices.source",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SourceOutage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="outages",
                        to="devices.source",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(fields=("organization", "name"), name="source_name"),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(
                condition=models.Q(("relay_host", ""), _negated=True),
                fields=("relay_host",),
                name="source_relay_host",
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(condition=models.Q(("kind", "balena")), name="source_kind"),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("relay_host", ""), ("relay_to", "")),
                    models.Q(
                        models.Q(("relay_host", ""), _negated=True), models.Q(("relay_to", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="source_relay",
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(("poll_interval__range", (10, 86400))), name="source_poll_interval"
            ),
        ),
        migrations.AddConstraint(
            model_name="mirroredfleet",
            constraint=models.UniqueConstraint(fields=("source", "remote_id"), name="mirrored_fleet_once"),
        ),
        migrations.AddConstraint(
            model_name="mirroreddevice",
            constraint=models.UniqueConstraint(fields=("source", "remote_id"), name="mirrored_device_once"),
        ),
        migrations.AddConstraint(
            model_name="sourceoutage",
            constraint=models.UniqueConstraint(fields=("source", "began_at"), name="source_outage_once"),
        ),
        migrations.AddConstraint(
            model_name="sourceoutage",
            constraint=models.CheckConstraint(
                condition=models.Q(("ended_at__gt", models.F("began_at"))), name="source_outage_lasted"
            ),
        ),
    ]
