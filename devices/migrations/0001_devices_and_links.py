"""Devices, their heartbeats, and the VPN servers."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import devices.clock


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("fleets", "0001_organizations_members_fleets"),
    ]

    operations = [
        migrations.CreateModel(
            name="VpnServer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("boot", models.CharField(blank=True, max_length=255)),
                ("last_sign_at", models.DateTimeField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="vpn_servers",
                        to="fleets.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "uuid",
                    models.TextField(
                        unique=True,
                        validators=[django.core.validators.RegexValidator("^([0-9a-f]{32}|[0-9a-f]{62})$")],
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=255)),
                ("device_type", models.CharField(blank=True, max_length=255)),
                ("notes", models.TextField(blank=True)),
                ("tags", models.JSONField(blank=True, default=dict)),
                (
                    "poll_interval",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds; empty: the fleet's.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(10),
                            django.core.validators.MaxValueValidator(86400),
                        ],
                    ),
                ),
                (
                    "vpn_setting",
                    models.BooleanField(
                        blank=True,
                        help_text="Unknown: as the fleet says.",
                        null=True,
                        verbose_name="VPN",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=devices.clock.DatabaseClock(), editable=False),
                ),
                ("os_version", models.CharField(blank=True, max_length=255)),
                ("supervisor_version", models.CharField(blank=True, max_length=255)),
                ("release", models.CharField(blank=True, max_length=255)),
                ("target_release", models.CharField(blank=True, max_length=255)),
                (
                    "ip_addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "mac_addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("update_status", models.CharField(blank=True, max_length=20)),
                ("metrics", models.JSONField(blank=True, default=dict)),
                ("metrics_at", models.DateTimeField(blank=True, null=True)),
                ("public_address", models.GenericIPAddressField(blank=True, null=True)),
                (
                    "frozen_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("unpaid", "unpaid invoices"),
                            ("fleet-type", "a paid fleet type in a free organization"),
                            ("allowance", "outside the organization's allowance"),
                        ],
                        default="",
                        max_length=10,
                    ),
                ),
                ("is_active", models.BooleanField(default=False)),
                ("activated_at", models.DateTimeField(blank=True, null=True)),
                ("deactivated_at", models.DateTimeField(blank=True, null=True)),
                ("provisioned_at", models.DateTimeField(blank=True, null=True)),
                ("first_contact_at", models.DateTimeField(blank=True, null=True)),
                ("last_contact_at", models.DateTimeField(blank=True, null=True)),
                ("provisioning_state", models.CharField(blank=True, default="", max_length=255)),
                ("provisioning_progress", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("update_progress", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("progress_changed_at", models.DateTimeField(blank=True, null=True)),
                ("vpn_enabled", models.BooleanField(default=True)),
                ("vpn_connected", models.BooleanField(default=False)),
                ("vpn_changed_at", models.DateTimeField(blank=True, null=True)),
                ("vpn_session", models.CharField(blank=True, default="", max_length=255)),
                (
                    "heartbeat_state",
                    models.CharField(
                        choices=[
                            ("unknown", "Never seen"),
                            ("recent", "On time"),
                            ("late", "Late"),
                            ("lost", "Lost"),
                        ],
                        default="unknown",
                        max_length=7,
                    ),
                ),
                ("heartbeat_changed_at", models.DateTimeField(blank=True, null=True)),
                ("facts_at", models.DateTimeField(editable=False, null=True)),
                ("facts_reason", models.JSONField(blank=True, default=dict, editable=False)),
                (
                    "recorded_status",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                models.Q(("frozen_reason", ""), _negated=True),
                                then=models.Value("frozen"),
                            ),
                            models.When(models.Q(("is_active", False)), then=models.Value("inactive")),
                            models.When(
                                models.Q(("provisioning_state", "Post-Provisioning")),
                                then=models.Value("post-provisioning"),
                            ),
                            models.When(
                                models.Q(
                                    ("heartbeat_state", "unknown"),
                                    ("vpn_changed_at__isnull", True),
                                    ("provisioning_progress__isnull", False),
                                ),
                                then=models.Value("configuring"),
                            ),
                            models.When(
                                models.Q(
                                    ("heartbeat_state", "unknown"),
                                    ("vpn_changed_at__isnull", True),
                                    ("provisioned_at__isnull", False),
                                ),
                                then=models.Value("post-provisioning"),
                            ),
                            models.When(
                                models.Q(
                                    ("heartbeat_state", "unknown"),
                                    ("vpn_changed_at__isnull", True),
                                    ("first_contact_at__isnull", True),
                                ),
                                then=models.Value("inactive"),
                            ),
                            models.When(
                                models.Q(
                                    ("vpn_connected", False),
                                    ("heartbeat_state__in", ["lost", "unknown"]),
                                ),
                                then=models.Value("offline"),
                            ),
                            models.When(
                                models.Q(("provisioning_progress__isnull", False)),
                                then=models.Value("configuring"),
                            ),
                            models.When(
                                models.Q(
                                    ("update_progress__isnull", False),
                                    ("heartbeat_state__in", ["recent", "late"]),
                                ),
                                then=models.Value("updating"),
                            ),
                            models.When(
                                models.Q(
                                    ("vpn_connected", True),
                                    models.Q(("heartbeat_state", "recent"), _negated=True),
                                ),
                                then=models.Value("vpn-only"),
                            ),
                            models.When(
                                models.Q(
                                    ("vpn_connected", False),
                                    models.Q(
                                        ("vpn_enabled", False),
                                        ("heartbeat_state", "recent"),
                                        _negated=True,
                                    ),
                                ),
                                then=models.Value("heartbeat-only"),
                            ),
                            default=models.Value("online"),
                            output_field=models.TextField(),
                        ),
                        output_field=models.CharField(max_length=17),
                    ),
                ),
                ("recorded_status_at", models.DateTimeField(editable=False, null=True)),
                (
                    "fleet",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="devices",
                        to="fleets.fleet",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="devices",
                        to="fleets.organization",
                    ),
                ),
                (
                    "vpn_server",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="devices.vpnserver",
                    ),
                ),
            ],
            options={
                "ordering": ["name", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="poll",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("last_poll_at", models.DateTimeField()),
                ("poll_interval", models.PositiveIntegerField()),
                ("late_at", models.DateTimeField()),
                ("lost_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="fleets.organization",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="vpnserver",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["due_at"],
                name="vpn_server_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="vpnserver",
            constraint=models.UniqueConstraint(fields=("name", "boot"), name="vpn_server_life"),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["fleet", "recorded_status"], name="device_fleet_status"),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["organization", "recorded_status"], name="device_org_status"),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["fleet", "name", "id"], name="device_fleet_name"),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["organization", "name", "id"], name="device_org_name"),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("vpn_server__isnull", False)),
                fields=["vpn_server"],
                name="device_vpn_server",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(("uuid__regex", "^([0-9a-f]{32}|[0-9a-f]{62})$")),
                name="device_uuid",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(("heartbeat_state__in", ["unknown", "recent", "late", "lost"])),
                name="device_heartbeat_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(("frozen_reason__in", ["", "unpaid", "fleet-type", "allowance"])),
                name="device_frozen_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("provisioning_progress__isnull", True),
                        ("provisioning_progress__range", (0, 100)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("update_progress__isnull", True),
                        ("update_progress__range", (0, 100)),
                        _connector="OR",
                    ),
                ),
                name="device_progress",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("poll_interval__isnull", True),
                    ("poll_interval__range", (10, 86400)),
                    _connector="OR",
                ),
                name="device_poll_interval",
            ),
        ),
        migrations.AddIndex(
            model_name="heartbeat",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["due_at"],
                name="heartbeat_due",
            ),
        ),
        migrations.AddIndex(
            model_name="heartbeat",
            index=models.Index(
                condition=models.Q(
                    ("due_at__isnull", True), ("due_at", models.F("lost_at")), _connector="OR"
                ),
                fields=["lost_at"],
                name="heartbeat_ahead",
            ),
        ),
        migrations.AddConstraint(
            model_name="heartbeat",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("late_at__gt", models.F("last_poll_at")),
                    ("lost_at__gt", models.F("late_at")),
                    models.Q(
                        ("due_at__isnull", True),
                        ("due_at", models.F("late_at")),
                        ("due_at", models.F("lost_at")),
                        _connector="OR",
                    ),
                ),
                name="heartbeat_deadlines",
            ),
        ),
    ]
