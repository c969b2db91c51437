"""What decides which devices freeze; invitations; and the audit log, which the application cannot change."""

from typing import Any

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models
from psycopg.conninfo import conninfo_to_dict


def keep_from_change(apps: Any, schema_editor: Any) -> None:
    """The application may add to the audit log and read it; the trigger holds where roles are not apart."""
    application = conninfo_to_dict(settings.DATABASE_URL).get("user")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = %s AND rolname <> current_user",
            [application],
        )
        for (role,) in cursor.fetchall():
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON fleets_auditentry FROM {role}")


class Migration(migrations.Migration):
    dependencies = [
        ("fleets", "0001_organizations_members_fleets"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("organization_id", models.BigIntegerField(null=True)),
                ("organization_name", models.CharField(blank=True, max_length=100)),
                ("actor_id", models.BigIntegerField(null=True)),
                ("actor_name", models.CharField(max_length=255)),
                ("address", models.GenericIPAddressField(null=True)),
                ("action", models.CharField(max_length=40)),
                ("subject_kind", models.CharField(max_length=20)),
                ("subject_id", models.CharField(max_length=100)),
                ("subject_name", models.CharField(blank=True, max_length=255)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
            ],
            options={
                "ordering": ["-at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("observer", "Observer"),
                            ("operator", "Operator"),
                            ("administrator", "Administrator"),
                            ("owner", "Owner"),
                        ],
                        default="observer",
                        max_length=13,
                    ),
                ),
                (
                    "email",
                    models.EmailField(
                        blank=True,
                        help_text="For whom; empty: for who has the link.",
                        max_length=254,
                        verbose_name="e-mail address",
                    ),
                ),
                ("digest", models.BinaryField(unique=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.AddField(
            model_name="fleet",
            name="type",
            field=models.CharField(
                choices=[("standard", "Standard"), ("paid", "Paid")], default="standard", max_length=8
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="allowance",
            field=models.PositiveIntegerField(
                blank=True, help_text="Empty: any number of devices.", null=True
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="plan",
            field=models.CharField(
                choices=[("free", "Free"), ("paid", "Paid")], default="free", max_length=4
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="unpaid",
            field=models.BooleanField(default=False, help_text="Invoices are open: all its devices freeze."),
        ),
        migrations.AddConstraint(
            model_name="fleet",
            constraint=models.CheckConstraint(
                condition=models.Q(("type__in", ["standard", "paid"])), name="fleet_type"
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("plan__in", ["free", "paid"])), name="organization_plan"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["organization_id", "-at", "-id"], name="audit_by_time"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="56debadca503ef91d61067f5c74247a748928404",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_73b82",
                    table="fleets_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="invited_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="invitations",
                to="fleets.organization",
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="used_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["observer", "operator", "administrator", "owner"])),
                name="invitation_role",
            ),
        ),
        migrations.RunPython(keep_from_change, migrations.RunPython.noop),
    ]
