import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models

import dashboard.user_names


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0006_canonical_user_names")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="canonical_username",
            field=dashboard.user_names.CanonicalName(unique=True, editable=False),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                name="user_canonical_username",
                condition=models.Q(
                    ("username__regex", "[^!-~]"),
                    (
                        "canonical_username",
                        django.db.models.functions.text.Lower(
                            django.db.models.functions.comparison.Collate("username", "C")
                        ),
                    ),
                    _connector="OR",
                ),
            ),
        ),
    ]
