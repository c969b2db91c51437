"""What links in mails have ended since a person last looked."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0003_labels")]

    operations = [
        migrations.AddField(
            "user",
            "unsubscribed",
            ArrayField(
                base_field=models.TextField(),
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                size=None,
            ),
        ),
    ]
