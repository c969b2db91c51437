"""The moment by which old rows are deleted, safe from a clock set far ahead (domain.md, Our own outages)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from devices.clock import Moment

TRUSTED_AFTER: Final = timedelta(days=1)
RECENT: Final = "SELECT min(began_at) FROM devices_outage WHERE ended_at > %s"


def trusted(at: Moment) -> datetime:
    """The moment to take ages from at `at`: for a day after an outage the start of that outage, else `at`.

    So a machine that starts with its clock far ahead does not delete everything.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECENT, [at.at - TRUSTED_AFTER])
        (began_at,) = cursor.fetchone()
    return min(began_at or at.heard, at.heard)
