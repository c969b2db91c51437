"""How many devices share a public address."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0015_saved_views"),
        ("fleets", "0003_audit_indexes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("public_address__isnull", False)),
                fields=["public_address"],
                name="device_address",
            ),
        ),
    ]
