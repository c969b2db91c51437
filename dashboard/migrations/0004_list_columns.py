"""Which columns a person's lists have."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0003_email_in_lower_case")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="list_columns",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=20), blank=True, default=list, size=None
            ),
        ),
    ]
