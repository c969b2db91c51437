"""Names in an order that is alike in every database (fleets/postgres/name_order.py)."""

from django.db import migrations, models

from fleets.postgres.name_order import NameKey


class Migration(migrations.Migration):
    dependencies = [("fleets", "0004_audit_tells")]

    operations = [
        migrations.AlterModelOptions(name="fleet", options={"ordering": [NameKey("name"), "pk"]}),
        migrations.AlterModelOptions(name="organization", options={"ordering": [NameKey("name"), "pk"]}),
        migrations.AddIndex(
            model_name="fleet",
            index=models.Index(models.F("organization"), NameKey("name"), name="fleet_in_order"),
        ),
        migrations.RemoveIndex(model_name="fleet", name="fleet_by_name"),
    ]
