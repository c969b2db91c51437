from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models.functions import Lower


def lower(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("dashboard", "User").objects.update(email=Lower("email"))


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0001_users")]

    operations = [
        migrations.AlterModelManagers(name="user", managers=[]),
        migrations.AddField(
            model_name="user",
            name="proven_email",
            field=models.EmailField(blank=True, default="", editable=False, max_length=254),
            preserve_default=False,
        ),
        migrations.RunPython(lower, migrations.RunPython.noop),
        migrations.CreateModel(
            name="Shared",
            fields=[
                ("cache_key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["expires"], name="shared_by_expiry")]},
        ),
    ]
