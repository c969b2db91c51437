"""Index which heartbeats are recorded late or lost by the deadline that passed, not by the next one.

By the next one each late heartbeat was read with every page, while it was late.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations
from django.db.models import Case, F, Index, Q, When

NAME = "heartbeat_recorded"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("devices", "0025_history_only_of_changes")]
    operations = [
        # One whose building was broken off is left invalid.
        migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "heartbeat",
            Index(
                Case(When(due_at__isnull=True, then=F("lost_at")), default=F("late_at")),
                name=NAME,
                condition=Q(due_at__isnull=True) | Q(due_at=F("lost_at")),
            ),
        ),
        RemoveIndexConcurrently("heartbeat", "heartbeat_ahead"),
    ]
