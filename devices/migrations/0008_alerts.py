"""The tables of alerts: rules, incidents, targets, messages, and what keeps them quiet."""

import uuid

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dashboard", "0002_squashed_unused_tables"),
        ("devices", "0007_job_address"),
        ("fleets", "0005_audit_job_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Listener",
            fields=[
                (
                    "organization",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="fleets.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="QuietHours",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="quiet_hours",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("zone", models.CharField(max_length=64)),
                ("weekly", models.JSONField(default=list)),
                ("critical_passes", models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name="Signal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("organization_id", models.BigIntegerField()),
                ("kind", models.CharField(max_length=6)),
                ("device_id", models.BigIntegerField()),
                ("change_id", models.BigIntegerField(null=True)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(max_length=60)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "severity",
                    models.CharField(
                        choices=[("critical", "Critical"), ("warning", "Warning"), ("info", "Info")],
                        default="warning",
                        max_length=8,
                    ),
                ),
                ("scope", models.JSONField(default=dict)),
                (
                    "condition",
                    models.CharField(
                        choices=[
                            ("status", "A device has one of these statuses"),
                            ("together", "Several devices are lost together"),
                            ("stalled", "An update or a configuration has stalled"),
                            ("flapping", "A link changes often"),
                            ("silent", "A device has not been in contact"),
                            ("share", "A share of the devices has one of these statuses"),
                            ("vitals", "Memory, disk, temperature or power is critical"),
                            ("never-came", "A device was registered and never came"),
                        ],
                        max_length=10,
                    ),
                ),
                ("parameters", models.JSONField(default=dict)),
                ("delay", models.PositiveIntegerField()),
                ("hold", models.PositiveIntegerField()),
                ("gather", models.PositiveIntegerField(default=60)),
                ("repeat", models.PositiveIntegerField(blank=True, null=True)),
                ("tell_recovery", models.BooleanField(default=True)),
                ("hours", models.JSONField(blank=True, null=True)),
                ("critical_ignores_hours", models.BooleanField(default=True)),
                ("runbook", models.URLField(blank=True, max_length=500)),
                ("note", models.TextField(blank=True)),
                ("shipped", models.CharField(blank=True, max_length=20)),
                ("broken", models.CharField(blank=True, max_length=255)),
                ("came_back", models.PositiveIntegerField(default=0)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alert_rules",
                        to="fleets.organization",
                    ),
                ),
            ],
            options={
                "ordering": [
                    models.Func(
                        "name",
                        output_field=models.TextField(),
                        template='lower(normalize(%(expressions)s, NFD) COLLATE "C")',
                    ),
                    "pk",
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
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
                        ],
                        max_length=12,
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                (
                    "role",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("observer", "Observer"),
                            ("operator", "Operator"),
                            ("administrator", "Administrator"),
                            ("owner", "Owner"),
                        ],
                        max_length=13,
                    ),
                ),
                ("configuration", models.JSONField(default=dict)),
                ("secrets", models.TextField(blank=True)),
                ("secret_end", models.CharField(blank=True, max_length=4)),
                ("enabled", models.BooleanField(default=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "Not used yet"),
                            ("works", "Works"),
                            ("failing", "Failing"),
                            ("refused", "Refused"),
                            ("paused", "Paused"),
                        ],
                        default="new",
                        max_length=7,
                    ),
                ),
                ("state_since", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=300)),
                ("refused_in_row", models.PositiveSmallIntegerField(default=0)),
                ("leased_until", models.DateTimeField(null=True)),
                ("attempt_key", models.UUIDField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alert_targets",
                        to="fleets.organization",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alert_targets",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": [
                    models.Func(
                        "name",
                        output_field=models.TextField(),
                        template='lower(normalize(%(expressions)s, NFD) COLLATE "C")',
                    ),
                    "pk",
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("after", models.PositiveIntegerField(default=0)),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="devices.alertrule",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="devices.alerttarget",
                    ),
                ),
            ],
            options={
                "ordering": ["after", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Follow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("severity", models.CharField(blank=True, max_length=8)),
                ("email", models.BooleanField(default=True)),
                (
                    "digest",
                    models.CharField(
                        choices=[("none", "At once"), ("daily", "Once a day")], default="none", max_length=5
                    ),
                ),
                ("digest_hour", models.PositiveSmallIntegerField(default=8)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="fleets.organization",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="follows",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="follows",
                        to="devices.alertrule",
                    ),
                ),
                (
                    "view",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="devices.savedview",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("kind", models.PositiveSmallIntegerField()),
                ("key", models.CharField(blank=True, max_length=600)),
                ("what", models.CharField(max_length=10)),
                ("first", models.DateTimeField()),
                ("last", models.DateTimeField()),
                ("severity", models.CharField(max_length=8)),
                (
                    "state",
                    models.CharField(
                        choices=[("gathering", "Gathering"), ("firing", "Firing"), ("resolved", "Resolved")],
                        max_length=9,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("tell_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                ("now", models.PositiveIntegerField(default=0)),
                ("at_most", models.PositiveIntegerField(default=0)),
                ("ever", models.PositiveIntegerField(default=0)),
                ("rank", models.PositiveSmallIntegerField()),
                ("missed", models.BooleanField(default=False)),
                ("acknowledged_at", models.DateTimeField(null=True)),
                ("acknowledged_by_name", models.CharField(blank=True, max_length=255)),
                ("acknowledged_until", models.DateTimeField(null=True)),
                ("acknowledged_note", models.TextField(blank=True)),
                ("acknowledged_members", models.PositiveIntegerField(default=0)),
                ("acknowledged_rank", models.PositiveSmallIntegerField(default=0)),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "merged_into",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="merged",
                        to="devices.incident",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="incidents",
                        to="fleets.organization",
                    ),
                ),
            ],
            options={
                "ordering": ["-opened_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Held",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
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
                            ("storm", "Too many messages at once"),
                            ("paused", "The target is paused"),
                        ],
                        max_length=11,
                    ),
                ),
                ("words", models.CharField(blank=True, max_length=255)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="held",
                        to="devices.alerttarget",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="held",
                        to="devices.incident",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AlertMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("number", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("first", "First"),
                            ("update", "Update"),
                            ("reminder", "Reminder"),
                            ("step", "Escalation"),
                            ("acknowledged", "Acknowledged"),
                            ("resolved", "Resolved"),
                            ("notice", "Notice"),
                            ("test", "Test"),
                        ],
                        max_length=12,
                    ),
                ),
                ("snapshot", models.JSONField()),
                ("as_of", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("accepted", "Accepted"),
                            ("superseded", "Superseded"),
                            ("refused", "Refused"),
                            ("dead", "Not delivered"),
                        ],
                        max_length=10,
                    ),
                ),
                ("error", models.CharField(blank=True, max_length=500)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="fleets.organization",
                    ),
                ),
                (
                    "superseded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="devices.alertmessage",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="devices.alerttarget",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="devices.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["created_at", "pk"],
            },
        ),
        migrations.CreateModel(
            name="IncidentMember",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("device_id", models.BigIntegerField()),
                ("device_uuid", models.TextField()),
                ("device_name", models.CharField(max_length=255)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("firing", "Firing"),
                            ("recovering", "Recovering"),
                            ("gone", "Gone"),
                        ],
                        max_length=10,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("recovered_at", models.DateTimeField(null=True)),
                ("gone_at", models.DateTimeField(null=True)),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("recovered", "Recovered"),
                            ("deactivated", "Deactivated"),
                            ("frozen", "Frozen"),
                            ("deleted", "Deleted"),
                            ("moved", "Moved out"),
                            ("changed", "The rule or its devices changed"),
                            ("apart", "Goes on as an incident of its own"),
                        ],
                        max_length=11,
                    ),
                ),
                ("next_at", models.DateTimeField(null=True)),
                ("flaps", models.PositiveIntegerField(default=0)),
                ("unstable", models.BooleanField(default=False)),
                ("status", models.CharField(max_length=17)),
                ("rank", models.PositiveSmallIntegerField()),
                ("what", models.CharField(max_length=10)),
                ("moment", models.DateTimeField()),
                ("fleet_id", models.BigIntegerField()),
                ("address", models.GenericIPAddressField(null=True)),
                ("server_id", models.BigIntegerField(null=True)),
                ("release", models.CharField(blank=True, max_length=255)),
                ("tags", models.JSONField(default=dict)),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="devices.incident",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="fleets.organization",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="members",
                        to="devices.alertrule",
                    ),
                ),
            ],
            options={
                "ordering": ["due_at", "pk"],
            },
        ),
        migrations.CreateModel(
            name="LastRead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("message_id", models.BigIntegerField(default=0)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="fleets.organization",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MaintenanceWindow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("title", models.CharField(max_length=60)),
                ("scope", models.JSONField(default=dict)),
                ("starts", models.CharField(max_length=19)),
                ("ends", models.CharField(max_length=19)),
                ("zone", models.CharField(max_length=64)),
                ("recurrence", models.CharField(blank=True, max_length=200)),
                ("note", models.TextField(blank=True)),
                ("by_name", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="windows",
                        to="fleets.organization",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Mute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("until", models.DateTimeField()),
                ("note", models.TextField(blank=True)),
                ("by_name", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                (
                    "device",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="devices.device",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mutes",
                        to="devices.incident",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mutes",
                        to="fleets.organization",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="devices.alertrule",
                    ),
                ),
                (
                    "view",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="devices.savedview",
                    ),
                ),
            ],
            options={
                "ordering": ["until", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Teller",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("concluded_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("compared_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="teller_once")],
            },
        ),
        migrations.CreateModel(
            name="Told",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("firing", "Firing"),
                            ("acknowledged", "Acknowledged"),
                            ("resolved", "Resolved"),
                        ],
                        max_length=12,
                    ),
                ),
                ("members", models.PositiveIntegerField()),
                ("rank", models.PositiveSmallIntegerField()),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="told",
                        to="devices.incident",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="told",
                        to="devices.alerttarget",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                name="alert_rule_name_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("shipped", ""), _negated=True),
                fields=("organization", "shipped"),
                name="alert_rule_shipped_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["critical", "warning", "info"])),
                name="alert_rule_severity",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "condition__in",
                        [
                            "status",
                            "together",
                            "stalled",
                            "flapping",
                            "silent",
                            "share",
                            "vitals",
                            "never-came",
                        ],
                    )
                ),
                name="alert_rule_condition",
            ),
        ),
        migrations.AddIndex(
            model_name="alerttarget",
            index=models.Index(
                models.F("organization"),
                models.Func(
                    "name",
                    output_field=models.TextField(),
                    template='lower(normalize(%(expressions)s, NFD) COLLATE "C")',
                ),
                name="alert_target_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="alerttarget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("role", ""),
                    models.Q(
                        ("kind", "role"), ("role__in", ["observer", "operator", "administrator", "owner"])
                    ),
                    _connector="OR",
                ),
                name="alert_target_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="alerttarget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "page")), fields=("organization",), name="alert_target_page_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="alertstep",
            constraint=models.UniqueConstraint(fields=("rule", "target", "after"), name="alert_step_once"),
        ),
        migrations.AddConstraint(
            model_name="follow",
            constraint=models.UniqueConstraint(
                fields=("person", "organization", "rule", "view", "severity"),
                name="follow_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["organization", "-opened_at", "-id"], name="incident_by_time"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("state", "resolved"), _negated=True),
                fields=["organization", "-opened_at", "-id"],
                name="incident_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("resolved_at__isnull", False), ("state", "resolved")),
                    models.Q(models.Q(("state", "resolved"), _negated=True), ("resolved_at__isnull", True)),
                    _connector="OR",
                ),
                name="incident_resolved",
            ),
        ),
        migrations.AddConstraint(
            model_name="held",
            constraint=models.UniqueConstraint(fields=("incident", "target"), name="held_once"),
        ),
        migrations.AddIndex(
            model_name="alertmessage",
            index=models.Index(
                condition=models.Q(("outcome", "")),
                fields=["target", "created_at", "id"],
                name="alert_message_unsent",
            ),
        ),
        migrations.AddIndex(
            model_name="alertmessage",
            index=models.Index(fields=["target", "-created_at", "-id"], name="alert_message_of_target"),
        ),
        migrations.AddConstraint(
            model_name="alertmessage",
            constraint=models.UniqueConstraint(
                fields=("incident", "target", "number"), name="alert_message_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="alertmessage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("next_at__isnull", False), ("outcome", "")),
                    models.Q(models.Q(("outcome", ""), _negated=True), ("next_at__isnull", True)),
                    _connector="OR",
                ),
                name="alert_message_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="incidentmember",
            index=models.Index(fields=["incident", "state", "id"], name="incident_member_of"),
        ),
        migrations.AddIndex(
            model_name="incidentmember",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)),
                fields=["next_at"],
                name="incident_member_next",
            ),
        ),
        migrations.AddIndex(
            model_name="incidentmember",
            index=models.Index(fields=["device_id", "-since"], name="incident_member_device"),
        ),
        migrations.AddConstraint(
            model_name="incidentmember",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "gone"), _negated=True),
                fields=("rule", "device_id"),
                name="incident_member_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="lastread",
            constraint=models.UniqueConstraint(
                models.F("person"), models.F("organization"), name="last_read_once"
            ),
        ),
        migrations.AddIndex(
            model_name="maintenancewindow",
            index=models.Index(fields=["organization", "-created_at", "-id"], name="window_by_time"),
        ),
        migrations.AddIndex(
            model_name="mute",
            index=models.Index(fields=["organization", "until", "id"], name="mute_by_end"),
        ),
        migrations.AddConstraint(
            model_name="mute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("device__isnull", False), ("incident", None), ("rule", None), ("view", None)),
                    models.Q(("device", None), ("incident", None), ("rule", None), ("view__isnull", False)),
                    models.Q(("device", None), ("incident", None), ("rule__isnull", False), ("view", None)),
                    models.Q(("device", None), ("incident__isnull", False), ("rule", None), ("view", None)),
                    _connector="OR",
                ),
                name="mute_of_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="told",
            constraint=models.UniqueConstraint(fields=("incident", "target"), name="told_once"),
        ),
    ]
