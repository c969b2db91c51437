"""What a device called itself, so that an operator's name is told from it. Names of before are operators'."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0033_months_of_late_rows")]

    operations = [
        migrations.AddField(
            model_name="device",
            name="own_name",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
    ]
