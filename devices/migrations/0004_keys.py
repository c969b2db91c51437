"""Keys of devices, fleets and VPN servers, as digests."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import devices.clock


class Migration(migrations.Migration):
    dependencies = [
        ("fleets", "0001_organizations_members_fleets"),
        ("devices", "0003_history_triggers"),
    ]

    operations = [
        migrations.CreateModel(
            name="FormerKey",
            fields=[
                ("digest", models.BinaryField(primary_key=True, serialize=False)),
                ("device_uuid", models.TextField()),
                ("deleted_at", models.DateTimeField(db_index=True)),
                (
                    "organization",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="fleets.organization"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("device", "Device"),
                            ("provisioning", "Provisioning"),
                            ("service", "Service"),
                        ],
                        max_length=12,
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=100)),
                ("digest", models.BinaryField(unique=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=devices.clock.DatabaseClock(), editable=False),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "fleet",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provisioning_keys",
                        to="fleets.fleet",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="fleets.organization",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="devices.device",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("device__isnull", False),
                                ("fleet__isnull", True),
                                ("kind", "device"),
                                ("organization__isnull", False),
                            ),
                            models.Q(
                                ("device__isnull", True),
                                ("fleet__isnull", False),
                                ("kind", "provisioning"),
                                ("organization__isnull", False),
                            ),
                            models.Q(
                                ("device__isnull", True),
                                ("fleet__isnull", True),
                                ("kind", "service"),
                            ),
                            _connector="OR",
                        ),
                        name="api_key_owner",
                    )
                ],
            },
        ),
    ]
