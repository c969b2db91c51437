"""Many devices are selected without a check of each; and who thaws next is found by an index of the frozen."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def unchecked(**options: Any) -> Any:
    return models.ForeignKey(
        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, **options
    )


class Migration(migrations.Migration):
    dependencies = [("devices", "0022_fleet_tallies"), ("fleets", "0003_audit_indexes")]

    operations = [
        migrations.AlterField(
            "selecteddevice", "organization", unchecked(related_name="+", to="fleets.organization")
        ),
        migrations.AlterField(
            "selecteddevice", "selection", unchecked(related_name="devices", to="devices.selection")
        ),
        migrations.AddIndex(
            "device",
            models.Index(
                fields=["organization", "activated_at", "id"],
                include=["fleet"],
                condition=models.Q(is_active=True, frozen_reason="allowance"),
                name="device_beyond",
            ),
        ),
    ]
