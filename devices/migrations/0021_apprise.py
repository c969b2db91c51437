"""Another kind of target: an address of Apprise."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0020_relay_notes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="alerttarget",
            name="kind",
            field=models.CharField(
                choices=[
                    ("page", "The bell on every page"),
                    ("email", "E-mail"),
                    ("role", "Everybody with a role, by e-mail"),
                    ("webhook", "Webhook"),
                    ("slack", "Slack or compatible"),
                    ("teams", "Microsoft Teams"),
                    ("ntfy", "ntfy"),
                    ("gotify", "Gotify"),
                    ("pushover", "Pushover"),
                    ("telegram", "Telegram"),
                    ("pagerduty", "PagerDuty"),
                    ("alertmanager", "Alertmanager"),
                    ("apprise", "Apprise"),
                ],
                max_length=12,
            ),
        ),
    ]
