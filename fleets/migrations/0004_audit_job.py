"""Of which job a line of the audit log is a part, so that the log has one line for a job."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleets", "0003_vpn_not_set")]
    operations = [migrations.AddField("auditentry", "job", models.UUIDField(null=True))]
