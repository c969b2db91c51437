"""How long the histories reach back: months are made ahead, and dropped when all of one is too old.

What was true at the cut is kept: the newest row of each device before it, so that a timeline never starts
empty. Run daily by `settle --watch`, or by `manage.py keep_history`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from devices import clock
from devices.clock import Moment
from devices.clock.trusted import trusted
from devices.models import FleetTally, Outage

MONTHS_AHEAD: Final = 3


def cut_at(at: datetime, days: int | None = None) -> datetime:
    """Where the histories begin at that moment: the beginning of the month that `days` ago lies in."""
    days = settings.HISTORY_DAYS if days is None else days
    return (
        (at - timedelta(days=days)).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    )


def make_ahead(at: datetime | None = None) -> list[str]:
    """Make the partitions of this month and the next few that are missing; returns their names."""
    return _names("SELECT devices_history_ahead(%s, %s)", at or clock.now(), MONTHS_AHEAD)


def too_old(cut: datetime) -> list[str]:
    """The partitions that a cut there would drop."""
    return _names(TOO_OLD, cut)


TOO_OLD: Final = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent IN ('devices_statuschange'::regclass, 'devices_connectivityrecord'::regclass)
  AND child.relname ~ '_[0-9]{4}_[0-9]{2}$'
  AND to_date(right(child.relname, 7), 'YYYY_MM') + interval '1 month' <= %s AT TIME ZONE 'UTC'
ORDER BY child.relname
"""


def begins() -> datetime | None:
    """From when on everything is kept: the newest cut, else the oldest change there is; None: no history."""
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
    """Drop what happened before `cut`, the beginning of a month, but what was true then; returns what went.

    Readers wait while partitions change places, not while what is kept is gathered.
    """
    Outage.objects.filter(ended_at__lte=cut).delete()
    return _names("SELECT devices_history_cut(%s)", cut)


def keep(at: datetime | Moment | None = None) -> list[str]:
    """The daily work; returns the partitions made and dropped."""
    at = clock.moment(at)
    made, cut = make_ahead(at.at), cut_at(trusted(at))
    FleetTally.objects.filter(at__lt=cut).delete()
    return made + (drop_old(cut) if too_old(cut) else [])


def _names(sql: str, *params: object) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)  # type: ignore[arg-type]  # moments and numbers
        return [name for (name,) in cursor.fetchall()]
