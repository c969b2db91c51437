"""What lists are found and sorted by, in columns and indexes of their own."""

import django.db.models.expressions
import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0017_dated_once"),
    ]

    operations = [
        # Who has stopped polling says itself when it was last in contact.
        migrations.RunSQL(
            "UPDATE devices_device d SET last_contact_at = GREATEST(d.last_contact_at, h.last_poll_at)"
            " FROM devices_heartbeat h WHERE h.device_id = d.id AND d.heartbeat_state IN ('late', 'lost')",
            migrations.RunSQL.noop,
        ),
        migrations.AddField(
            model_name="device",
            name="recorded_cell",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.expressions.CombinedExpression(
                    django.db.models.expressions.CombinedExpression(
                        models.Case(
                            models.When(
                                models.Q(("frozen_reason", ""), _negated=True), then=models.Value(144)
                            ),
                            models.When(models.Q(("is_active", False)), then=models.Value(128)),
                            models.When(
                                models.Q(("provisioning_state", "Post-Provisioning")), then=models.Value(96)
                            ),
                            models.When(
                                models.Q(
                                    ("heartbeat_state", "unknown"),
                                    ("vpn_changed_at__isnull", True),
                                    ("provisioning_progress__isnull", False),
                                ),
                                then=models.Value(80),
                            ),
                            models.When(
                                models.Q(
                                    ("heartbeat_state", "unknown"),
                                    ("vpn_changed_at__isnull", True),
                                    ("provisioned_at__isnull", False),
                                ),
                                then=models.Value(96),
                            ),
                            models.When(
                                models.Q(
                                    ("heartbeat_state", "unknown"),
                                    ("vpn_changed_at__isnull", True),
                                    ("first_contact_at__isnull", True),
                                ),
                                then=models.Value(128),
                            ),
                            models.When(
                                models.Q(
                                    ("vpn_connected", False), ("heartbeat_state__in", ["lost", "unknown"])
                                ),
                                then=models.Value(0),
                            ),
                            models.When(
                                models.Q(("provisioning_progress__isnull", False)), then=models.Value(80)
                            ),
                            models.When(
                                models.Q(
                                    ("update_progress__isnull", False),
                                    ("heartbeat_state__in", ["recent", "late"]),
                                ),
                                then=models.Value(64),
                            ),
                            models.When(
                                models.Q(
                                    ("vpn_connected", True),
                                    models.Q(("heartbeat_state", "recent"), _negated=True),
                                ),
                                then=models.Value(32),
                            ),
                            models.When(
                                models.Q(
                                    ("vpn_connected", False),
                                    models.Q(
                                        ("vpn_enabled", False), ("heartbeat_state", "recent"), _negated=True
                                    ),
                                ),
                                then=models.Value(16),
                            ),
                            default=models.Value(112),
                            output_field=models.SmallIntegerField(),
                        ),
                        "+",
                        models.Case(
                            models.When(models.Q(("vpn_connected", True)), then=models.Value(0)),
                            models.When(
                                models.Q(
                                    ("vpn_changed_at__isnull", False),
                                    ("vpn_connected", False),
                                    ("vpn_enabled", True),
                                ),
                                then=models.Value(4),
                            ),
                            models.When(
                                models.Q(
                                    ("vpn_changed_at__isnull", True),
                                    ("vpn_connected", False),
                                    ("vpn_enabled", True),
                                ),
                                then=models.Value(8),
                            ),
                            models.When(
                                models.Q(("vpn_connected", False), ("vpn_enabled", False)),
                                then=models.Value(12),
                            ),
                            output_field=models.SmallIntegerField(),
                        ),
                    ),
                    "+",
                    models.Case(
                        models.When(models.Q(("heartbeat_state", "unknown")), then=models.Value(0)),
                        models.When(models.Q(("heartbeat_state", "recent")), then=models.Value(1)),
                        models.When(models.Q(("heartbeat_state", "late")), then=models.Value(2)),
                        models.When(models.Q(("heartbeat_state", "lost")), then=models.Value(3)),
                        output_field=models.SmallIntegerField(),
                    ),
                ),
                output_field=models.SmallIntegerField(),
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="recorded_quiet_at",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(
                        heartbeat_state__in=("unknown", "lost"),
                        then=django.db.models.functions.comparison.Coalesce(
                            "last_contact_at",
                            django.db.models.functions.comparison.Cast(
                                models.Value("1970-01-01 00:00:00+00"), models.DateTimeField()
                            ),
                        ),
                    )
                ),
                output_field=models.DateTimeField(null=True),
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="recorded_since",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.comparison.Coalesce("recorded_status_at", "created_at"),
                output_field=models.DateTimeField(),
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                models.F("fleet"),
                models.F("recorded_cell"),
                models.OrderBy(models.F("recorded_since"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                models.F("recorded_quiet_at"),
                name="device_fleet_attention",
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                models.F("organization"),
                models.F("recorded_cell"),
                models.OrderBy(models.F("recorded_since"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                models.F("recorded_quiet_at"),
                name="device_org_attention",
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("recorded_quiet_at__isnull", False)),
                fields=["fleet", "recorded_cell", "-recorded_quiet_at", "-id"],
                name="device_fleet_quiet",
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("recorded_quiet_at__isnull", False)),
                fields=["organization", "recorded_cell", "-recorded_quiet_at", "-id"],
                name="device_org_quiet",
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["organization", "release", "id"], name="device_org_release"),
        ),
    ]
