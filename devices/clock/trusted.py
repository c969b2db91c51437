"""The clock that old things are deleted by (domain.md, Our own outages)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from devices.clock import Moment

TRUSTED_AFTER: Final = timedelta(days=1)
RECENT: Final = "SELECT min(began_at) FROM devices_outage WHERE ended_at > %s"


def trusted(at: Moment) -> datetime:
    """That clock at this moment: for a day after an outage, the one before it.

    A clock that was set ahead, as of a machine that starts with a wrong one, must not delete everything.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECENT, [at.at - TRUSTED_AFTER])
        (began_at,) = cursor.fetchone()
    return min(began_at or at.heard, at.heard)
