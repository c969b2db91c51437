"""The words of the audit log are folded (fleets/postgres/text_search.py): built beside the former index, which then goes."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Cast, Concat

from fleets.postgres.text_search import WordVector


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("fleets", "0005_names_in_order")]

    operations = [
        # One whose building was broken off is left invalid.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS audit_by_words", migrations.RunSQL.noop),
        AddIndexConcurrently(
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
                name="audit_by_words",
            ),
        ),
        RemoveIndexConcurrently(model_name="auditentry", name="audit_by_word"),
    ]
