"""Whether the whole site does its work, part by part: for a monitoring that asks one question."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from devices import clock
from devices.alerts import watchdog
from devices.clock import Moment
from devices.models import Listening, Teller
from fleets.postgres.leader import TELLING

TELLER_LAG: Final = timedelta(seconds=60)
LEADS: Final = """
SELECT EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND datname = current_database()
      AND (classid::bigint << 32) + objid::bigint = %s
)
"""
NO_DATABASE: Final = {"database": "The database does not answer."}


def faults() -> dict[str, str]:
    """What fails, by part, each as a sentence; empty if the site is ready. The database answers."""
    if missing := missing_migrations():
        return {"migrations": f"Migrations are not applied: {', '.join(missing)}. Run manage.py migrate."}
    at = clock.moment()
    found = {"listening": _listening(at), "teller": _teller(at), "messages": _messages(at)}
    return {part: fault for part, fault in found.items() if fault}


def missing_migrations() -> list[str]:
    """The newest migrations of this program that the database lacks, as "app.name". One query."""
    applied = {
        f"{app}.{name}" for app, name in MigrationRecorder(connections[DEFAULT_DB_ALIAS]).applied_migrations()
    }
    return sorted(newest_migrations() - applied)


@cache
def newest_migrations() -> frozenset[str]:
    """The newest migration of each app of this program, as "app.name"; read once, as code does not change."""
    return frozenset(f"{app}.{name}" for app, name in MigrationLoader(None).graph.leaf_nodes())


def _listening(at: Moment) -> str:
    if Listening.objects.exists() and not at.in_outage:
        return ""
    return "No process listens to devices: an outage of Lookout is open."


def _teller(at: Moment) -> str:
    with connection.cursor() as cursor:
        cursor.execute(LEADS, [TELLING])
        if cursor.fetchone() == (False,):
            return "No teller leads: run manage.py tell --watch."
    if Teller.objects.filter(ended_at__gt=at.at - TELLER_LAG).exists():
        return ""
    return f"The last round of the teller ended more than {TELLER_LAG.seconds} s ago."


def _messages(at: Moment) -> str:
    if not watchdog.overdue(at.at).exists():
        return ""
    minutes = watchdog.UNSENT // timedelta(minutes=1)
    return f"A message of an alert has waited for more than {minutes} min."
