"""How many devices of each status each fleet had at every full hour."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0021_left_fleets"),
        ("fleets", "0003_audit_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="FleetTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "counts",
                    django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=9),
                ),
            ],
        ),
        migrations.AddField(
            model_name="fleettally",
            name="fleet",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="fleets.fleet",
            ),
        ),
        migrations.AddField(
            model_name="fleettally",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="fleets.organization",
            ),
        ),
        migrations.AddIndex(
            model_name="fleettally",
            index=models.Index(fields=["at", "organization"], name="tally_by_hour"),
        ),
        migrations.AddConstraint(
            model_name="fleettally",
            constraint=models.UniqueConstraint(
                condition=models.Q(("fleet__isnull", False)), fields=("fleet", "at"), name="tally_of_fleet"
            ),
        ),
        migrations.AddConstraint(
            model_name="fleettally",
            constraint=models.UniqueConstraint(
                condition=models.Q(("fleet__isnull", True)),
                fields=("organization", "at"),
                name="tally_of_organization",
            ),
        ),
    ]
