"""Names and releases in an order that is alike in every database (fleets/postgres/name_order.py).

The indexes are built while devices report. One whose building was broken off is left invalid: it is dropped, and
built anew.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F

from fleets.postgres.name_order import NameKey

INDEXES = {
    "device_org_by_release": (F("organization"), NameKey("release"), F("id")),
    "device_fleet_by_name": (F("fleet"), NameKey("name"), F("id")),
    "device_org_by_name": (F("organization"), NameKey("name"), F("id")),
}


def built(name: str) -> list[migrations.operations.base.Operation]:
    return [
        migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop),
        AddIndexConcurrently(model_name="device", index=models.Index(*INDEXES[name], name=name)),
    ]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("devices", "0034_names_of_devices_themselves"), ("fleets", "0005_names_in_order")]

    operations = [
        migrations.AlterModelOptions(name="device", options={"ordering": [NameKey("name"), "pk"]}),
        migrations.AlterModelOptions(name="savedview", options={"ordering": [NameKey("name"), "pk"]}),
        *built("device_org_by_release"),
        *built("device_fleet_by_name"),
        *built("device_org_by_name"),
        RemoveIndexConcurrently(model_name="device", name="device_org_release"),
        RemoveIndexConcurrently(model_name="device", name="device_fleet_name"),
        RemoveIndexConcurrently(model_name="device", name="device_org_name"),
    ]
