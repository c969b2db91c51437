"""From where a job was started, for the audit log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0006_vpn_not_set")]
    operations = [migrations.AddField("job", "started_from", models.GenericIPAddressField(null=True))]
