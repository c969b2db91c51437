"""Retention of the histories: monthly partitions are created ahead, and dropped once they are too old.

The newest row of each device before the cut is kept, so that a timeline never starts empty. Run daily by
`settle --watch`, or by `manage.py keep_history`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Sum

from devices import clock
from devices.clock import Moment
from devices.clock.trusted import trusted
from devices.models import FleetTally, Listening, Outage, SourceOutage

MONTHS_AHEAD: Final = 3


def cut_at(at: datetime, days: int | None = None) -> datetime:
    """The cut at `at`, where the histories begin: the beginning of the month, in UTC, `days` days ago.

    `days` None: the setting HISTORY_DAYS.
    """
    days = settings.HISTORY_DAYS if days is None else days
    return (
        (at - timedelta(days=days)).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    )


def make_ahead(at: datetime | None = None) -> list[str]:
    """Create the missing partitions of this month and the next MONTHS_AHEAD; returns their names."""
    return _names("SELECT devices_history_ahead(%s, %s)", at or clock.now(), MONTHS_AHEAD)


def too_old(cut: datetime) -> list[str]:
    """The names of the partitions that `drop_old(cut)` would drop."""
    return _names(TOO_OLD, cut)


TOO_OLD: Final = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent IN ('devices_statuschange'::regclass, 'devices_connectivityrecord'::regclass)
  AND child.relname ~ '_[0-9]{4}_[0-9]{2}$'
  AND to_date(right(child.relname, 7), 'YYYY_MM') + interval '1 month' <= %s AT TIME ZONE 'UTC'
ORDER BY child.relname
"""


def begins() -> datetime | None:
    """The moment from which on the history is complete: the newest cut, else the oldest change.

    None: there is no history.
    """
    with connection.cursor() as cursor:
        cursor.execute(BEGINS)
        (moment,) = cursor.fetchone()
    return moment  # type: ignore[no-any-return]  # or null


BEGINS: Final = """
SELECT COALESCE((
    SELECT (regexp_match(pg_get_expr(relpartbound, oid), 'TO .''([^'']+)''.'))[1]::timestamptz
    FROM pg_class WHERE oid = to_regclass('devices_statuschange_kept')
), (
    SELECT min(first.at) FROM fleets_organization o, LATERAL (
        SELECT at FROM devices_statuschange WHERE organization_id = o.id ORDER BY at LIMIT 1
    ) AS first
))
"""


@transaction.atomic
def drop_old(cut: datetime) -> list[str]:
    """Drop the history before `cut`, the beginning of a month, but for each device's newest row before it.

    Returns the names of the dropped partitions. Readers wait while partitions are exchanged, not while the
    kept rows are copied.
    """
    old = Outage.objects.filter(ended_at__lte=cut)
    if length := old.aggregate(sum=Sum(F("ended_at") - F("began_at")))["sum"]:
        Listening.objects.update(forgotten=F("forgotten") + length)
    old.delete()
    SourceOutage.objects.filter(ended_at__lte=cut).delete()
    return _names("SELECT devices_history_cut(%s)", cut)


def keep(at: datetime | Moment | None = None) -> list[str]:
    """Do the daily work: create partitions ahead, drop old ones and old rollups.

    Returns the partitions' names.
    """
    at = clock.moment(at)
    made, cut = make_ahead(at.at), cut_at(trusted(at))
    FleetTally.objects.filter(at__lt=cut).delete()
    return made + (drop_old(cut) if too_old(cut) else [])


def _names(sql: str, *params: object) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)  # type: ignore[arg-type]  # moments and numbers
        return [name for (name,) in cursor.fetchall()]
