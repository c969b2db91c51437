"""The places in line for an allowance."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0006_room_for_updates"),
        ("fleets", "0002_plans_invitations_audit"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("is_active", True)),
                fields=["organization", "activated_at", "id"],
                include=("fleet",),
                name="device_place",
            ),
        ),
    ]
