"""What a source said last of a mirrored device, beside which this site has its own notes and tags."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0016_outages_forgotten"),
    ]

    operations = [
        migrations.AddField(
            model_name="mirroreddevice",
            name="note",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="mirroreddevice",
            name="tags",
            field=models.JSONField(db_default={}, default=dict),
        ),
    ]
