from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0029_keys_offered_again"),
    ]

    operations = [
        migrations.CreateModel(
            name="ListeningProcess",
            fields=[
                ("id", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("pulse_at", models.DateTimeField()),
                ("name", models.CharField(max_length=255)),
            ],
        ),
    ]
