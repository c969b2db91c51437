"""Whether a fleet uses the VPN may be not set: a new fleet's is, until a VPN server first connects a device.

No row is written anew. Which fleets of before become so: devices/migrations/0006_vpn_not_set.py.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleets", "0002_plan_shown")]

    operations = [
        migrations.AlterField(
            "fleet",
            "vpn_enabled",
            models.BooleanField(
                null=True,
                blank=True,
                help_text="Unknown: from the first connection on. No: its devices are not expected to use"
                " the VPN.",
            ),
        ),
    ]
