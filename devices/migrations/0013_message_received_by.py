"""Which people of a role have a message already."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0012_labels")]

    operations = [
        migrations.AddField(
            model_name="alertmessage",
            name="received_by",
            field=models.JSONField(default=list),
        ),
    ]
