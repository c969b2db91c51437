"""Fleets of before whose VPN was on because a new fleet's was: it becomes not set where nothing came of it.

It stays on where a device of the fleet was ever connected, or where a person turned it on, as the audit log
tells; what is off stays off. The devices of a fleet that becomes so follow by a job, in batches and with a
line of their history each: from Online (Heartbeat Only) to Online, where their heartbeat is on time. Until a
worker does it they are what they were. An older version of the product does not know a VPN that is not set.
"""

from typing import Any

from django.conf import settings
from django.db import migrations
from django.db.models.functions import Now


def unset(apps: Any, schema_editor: Any) -> None:
    fleets = apps.get_model("fleets", "Fleet").objects
    devices = apps.get_model("devices", "Device").objects
    changes = apps.get_model("fleets", "AuditEntry").objects.filter(
        action="fleet-changed", subject_kind="fleet", after__vpn_enabled=True
    )
    for fleet in fleets.filter(vpn_enabled=True).order_by("pk"):
        connected = devices.filter(fleet=fleet, vpn_changed_at__isnull=False)
        turned_on = changes.filter(organization_id=fleet.organization_id, subject_id=fleet.slug)
        if connected.exists() or turned_on.exists():
            continue
        fleets.filter(pk=fleet.pk).update(vpn_enabled=None)
        if following := devices.filter(fleet=fleet, vpn_setting=None, vpn_enabled=True).count():
            apps.get_model("devices", "Job").objects.create(
                kind="vpn",
                organization_id=fleet.organization_id,
                title=f"{fleet.name} does not use the {settings.VPN_WORD} yet"[:255],
                parameters={"fleet": fleet.pk, "used": False},
                total=following,
                whole=False,
                least_role="administrator",
                started_by_name="an update",
                created_at=Now(),
            )


class Migration(migrations.Migration):
    dependencies = [("devices", "0005_status_function"), ("fleets", "0003_vpn_not_set")]

    operations = [migrations.RunPython(unset, migrations.RunPython.noop)]
