"""Up to which outage of ours site administrators were told."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0017_mirrored_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="teller",
            name="outage_at",
            field=models.DateTimeField(null=True),
        ),
    ]
