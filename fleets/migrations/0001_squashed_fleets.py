"""Organizations, their members and fleets, invitations, and the audit log, which the application cannot change.

Takes the place of 0001 to 0007 of the time before the first release.
"""

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Concat, Upper
from pgtrigger.compiler import Trigger, UpsertTriggerSql
from pgtrigger.migrations import AddTrigger
from psycopg.conninfo import conninfo_to_dict

ROLES = {
    "observer": "Observer",
    "operator": "Operator",
    "administrator": "Administrator",
    "owner": "Owner",
}

# The words of a text: in lower case, letters that differ by language as one, punctuation and spaces as a space.
WORDS = (
    r"to_tsvector('simple'::regconfig, regexp_replace(replace(translate(lower(translate("
    r"normalize(left(%(expressions)s, 100000), NFC), U&'\0130', 'I')), U&'\0131\03c2\0307', U&'i\03c3'), "
    r"U&'\00df', 'ss'), "
    r"'[\u0001-/:-@\[-`{-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+', ' ', 'g'))"
)
# What is searched of a line of the audit log.
LINE = Concat(
    "actor_name",
    Value(" "),
    "subject_name",
    Value(" "),
    "subject_id",
    Value(" "),
    Cast("before", models.TextField()),
    Value(" "),
    Cast("after", models.TextField()),
    output_field=models.TextField(),
)
# Tells the pages that are open, once the lines are committed.
TELL = """
                    PERFORM pg_notify('status_changed', organization_id::text)
                    FROM new_rows WHERE organization_id IS NOT NULL GROUP BY organization_id;
                    RETURN NULL;
                """


def number() -> tuple[str, Any]:
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def name_key() -> models.Func:
    """The order of names, alike in every database."""
    template = 'lower(normalize(%(expressions)s, NFD) COLLATE "C")'
    return models.Func("name", output_field=models.TextField(), template=template)


def role() -> Any:
    return models.CharField(choices=list(ROLES.items()), default="observer", max_length=13)


def person(on_delete: Any, related_name: str = "+", *, null: bool = True) -> Any:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=on_delete, null=null, related_name=related_name
    )


def organization(on_delete: Any, related_name: str, **options: Any) -> Any:
    return models.ForeignKey("fleets.organization", on_delete=on_delete, related_name=related_name, **options)


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
    initial = True

    replaces = [
        ("fleets", "0001_organizations_members_fleets"),
        ("fleets", "0002_plans_invitations_audit"),
        ("fleets", "0003_audit_indexes"),
        ("fleets", "0004_audit_tells"),
        ("fleets", "0005_names_in_order"),
        ("fleets", "0006_folded_words"),
        ("fleets", "0007_links_go_with_their_account"),
    ]
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Organization",
            fields=[
                number(),
                ("name", models.CharField(max_length=100)),
                ("slug", models.SlugField(max_length=100, unique=True)),
                (
                    "plan",
                    models.CharField(
                        choices=[("free", "Free"), ("paid", "Paid")], default="free", max_length=4
                    ),
                ),
                (
                    "allowance",
                    models.PositiveIntegerField(
                        blank=True, help_text="Empty: any number of devices.", null=True
                    ),
                ),
                (
                    "unpaid",
                    models.BooleanField(
                        default=False, help_text="Invoices are open: all its devices freeze."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": [name_key(), "pk"],
                "constraints": [
                    models.CheckConstraint(condition=Q(plan__in=["free", "paid"]), name="organization_plan")
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                number(),
                ("role", role()),
                ("organization", organization(models.CASCADE, "memberships")),
                ("user", person(models.CASCADE, "memberships", null=False)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "user"), name="membership_once"),
                    models.CheckConstraint(condition=Q(role__in=list(ROLES)), name="membership_role"),
                ]
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                number(),
                ("role", role()),
                (
                    "email",
                    models.EmailField(
                        "e-mail address", blank=True, help_text="For whom; empty: for who has the link."
                    ),
                ),
                ("digest", models.BinaryField(unique=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("organization", organization(models.CASCADE, "invitations")),
                ("invited_by", person(models.CASCADE)),
                ("used_by", person(models.SET_NULL)),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "constraints": [
                    models.CheckConstraint(condition=Q(role__in=list(ROLES)), name="invitation_role")
                ],
            },
        ),
        migrations.CreateModel(
            name="Fleet",
            fields=[
                number(),
                ("name", models.CharField(max_length=100)),
                ("slug", models.SlugField(max_length=100, unique=True)),
                (
                    "type",
                    models.CharField(
                        choices=[("standard", "Standard"), ("paid", "Paid")], default="standard", max_length=8
                    ),
                ),
                ("device_type", models.CharField(blank=True, max_length=100)),
                (
                    "poll_interval",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds; empty: the site's.",
                        null=True,
                        validators=[MinValueValidator(10), MaxValueValidator(86400)],
                    ),
                ),
                (
                    "vpn_enabled",
                    models.BooleanField(
                        default=True, help_text="Off: devices of this fleet are not expected to use the VPN."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("organization", organization(models.PROTECT, "fleets", db_index=False)),
            ],
            options={
                "ordering": [name_key(), "pk"],
                "indexes": [models.Index("organization", name_key(), name="fleet_in_order")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(poll_interval__isnull=True) | Q(poll_interval__range=(10, 86400)),
                        name="fleet_poll_interval",
                    ),
                    models.CheckConstraint(condition=Q(type__in=["standard", "paid"]), name="fleet_type"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                number(),
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
                ("before", models.JSONField(encoder=DjangoJSONEncoder, null=True)),
                ("after", models.JSONField(encoder=DjangoJSONEncoder, null=True)),
            ],
            options={
                "ordering": ["-at", "-pk"],
                "indexes": [
                    models.Index(fields=["organization_id", "-at", "-id"], name="audit_by_time"),
                    models.Index(
                        "organization_id",
                        Upper("actor_name"),
                        F("at").desc(),
                        F("id").desc(),
                        name="audit_by_actor",
                    ),
                    models.Index(fields=["organization_id", "action", "-at", "-id"], name="audit_by_action"),
                    models.Index(
                        fields=["organization_id", "subject_kind", "subject_id", "-at", "-id"],
                        name="audit_by_subject",
                    ),
                    GinIndex(
                        models.Func(LINE, output_field=SearchVectorField(), template=WORDS),
                        name="audit_by_words",
                    ),
                ],
            },
        ),
        AddTrigger(
            model_name="auditentry",
            trigger=Trigger(
                name="append_only",
                sql=UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_73b82",
                    table="fleets_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        AddTrigger(
            model_name="auditentry",
            trigger=Trigger(
                name="tell",
                sql=UpsertTriggerSql(
                    func=TELL,
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_tell_d50bf",
                    referencing="REFERENCING NEW TABLE AS new_rows ",
                    table="fleets_auditentry",
                    when="AFTER",
                ),
            ),
        ),
        migrations.RunPython(keep_from_change, migrations.RunPython.noop),
    ]
