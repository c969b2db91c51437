"""Indexes for the lines of the audit log without those behind jobs, and for those behind one job."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

BY_TIME, BY_JOB = "audit_apart_by_time", "audit_by_job"


def anew(name: str) -> migrations.RunSQL:
    """One whose building was broken off is left invalid."""
    return migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("fleets", "0004_audit_job")]
    operations = [
        anew(BY_TIME),
        AddIndexConcurrently(
            "auditentry",
            models.Index(
                fields=["organization_id", "-at", "-id"], name=BY_TIME, condition=Q(job__isnull=True)
            ),
        ),
        anew(BY_JOB),
        AddIndexConcurrently(
            "auditentry",
            models.Index(
                fields=["organization_id", "job", "-at", "-id"], name=BY_JOB, condition=Q(job__isnull=False)
            ),
        ),
    ]
