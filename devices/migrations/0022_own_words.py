"""Words of a rule's own for the subject and the text of its messages."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0021_apprise")]

    operations = [
        migrations.AddField(
            "alertrule", "subject", models.CharField(blank=True, max_length=200, default="", db_default="")
        ),
        migrations.AddField("alertrule", "text", models.TextField(blank=True, default="", db_default="")),
    ]
