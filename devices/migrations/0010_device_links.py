"""An organization's own links and commands, shown with the facts of each device."""

import uuid

import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0009_signals"),
        ("fleets", "0005_audit_job_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeviceLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(max_length=60)),
                ("template", models.TextField()),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
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
                "constraints": [
                    models.UniqueConstraint(
                        models.F("organization"),
                        django.db.models.functions.text.Lower("name"),
                        name="device_link_name",
                    )
                ],
            },
        ),
    ]
