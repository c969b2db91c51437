"""The name of a VPN server is its organization's own. The former constraint was stricter: every row stays."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0037_kept_texts")]

    operations = [
        migrations.AddField(
            model_name="vpnserver",
            name="last_event_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="vpnserver",
            constraint=models.UniqueConstraint(
                fields=("organization", "name", "boot"), name="vpn_server_life_once", nulls_distinct=False
            ),
        ),
        migrations.RemoveConstraint(model_name="vpnserver", name="vpn_server_life"),
    ]
