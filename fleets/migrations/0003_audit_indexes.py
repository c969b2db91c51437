"""Every filter of the audit log has its index, so that a page of it is quick however long the log is."""

from django.contrib.postgres.indexes import GinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import migrations, models
from django.db.models.functions import Cast, Concat, Upper

from fleets.postgres.text_search import WordVector


class Migration(migrations.Migration):
    dependencies = [("fleets", "0002_plans_invitations_audit")]

    operations = [
        *(
            migrations.AlterField(
                model_name="auditentry",
                name=name,
                field=models.JSONField(encoder=DjangoJSONEncoder, null=True),
            )
            for name in ("before", "after")
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                models.F("organization_id"),
                Upper("actor_name"),
                models.OrderBy(models.F("at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="audit_by_actor",
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["organization_id", "action", "-at", "-id"], name="audit_by_action"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["organization_id", "subject_kind", "subject_id", "-at", "-id"],
                name="audit_by_subject",
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=GinIndex(
                WordVector(
                    Concat(
                        "actor_name",
                        models.Value(" "),
                        "subject_name",
                        models.Value(" "),
                        "subject_id",
                        models.Value(" "),
                        Cast("before", models.TextField()),
                        models.Value(" "),
                        Cast("after", models.TextField()),
                        output_field=models.TextField(),
                    )
                ),
                name="audit_by_word",
            ),
        ),
    ]
