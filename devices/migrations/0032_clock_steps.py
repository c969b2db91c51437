"""The ledger knows when the database's clock was set, and whether something is still dated ahead of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0031_registrations_of_a_key"),
    ]

    operations = [
        migrations.AddField(
            model_name="listening",
            name="ahead",
            field=models.BooleanField(default=False, db_default=False),
        ),
        migrations.AddField(
            model_name="listening",
            name="stepped_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="listening",
            name="stepped_by",
            field=models.DurationField(null=True),
        ),
    ]
