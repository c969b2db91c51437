"""Messages that are sent as one mail a day, and the hours at which that may be."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0022_own_words")]

    operations = [
        migrations.AddField("alertmessage", "digest", models.BooleanField(default=False, db_default=False)),
        migrations.AlterField(
            "held",
            "reason",
            models.CharField(
                choices=[
                    ("outage", "Lookout was away"),
                    ("source", "Its source is silent"),
                    ("maintenance", "Maintenance"),
                    ("mute", "Muted"),
                    ("parent", "Part of a larger incident"),
                    ("hours", "Outside the rule's hours"),
                    ("quiet", "Quiet hours"),
                    ("digest", "Daily e-mail"),
                    ("storm", "Too many messages at once"),
                    ("paused", "The target is paused"),
                ],
                max_length=11,
            ),
        ),
        migrations.AlterField(
            "follow",
            "digest",
            models.CharField(
                choices=[("none", "As it happens"), ("daily", "Once a day")], default="none", max_length=5
            ),
        ),
        migrations.AddConstraint(
            "follow",
            models.CheckConstraint(name="follow_digest_hour", condition=models.Q(("digest_hour__lt", 24))),
        ),
    ]
