"""The database's clock with the ledger of outages: how far the site had listened at each moment.

Inside an outage (domain.md, Our own outages) nothing passes by the clock (fleets/postgres/clock.py), so every
reading is the one at `heard`, the outage's start.

That clock may be set: devices/connectivity/outages.py notices, by devices/clock/own.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from fleets.postgres import clock as database
from fleets.postgres.clock import now

__all__ = ["LEASE", "PATIENCE", "STEP", "TOLD_FOR", "Moment", "Silence", "listened", "moment", "now"]

# Between two pulses of the ingest: a longer gap is an outage.
PATIENCE: Final = timedelta(seconds=10)
LEASE: Final = timedelta(seconds=60)  # of a VPN server, from its last sign
# A clock that was set by more has stepped; by less, it is right again before the next pulse or two.
STEP: Final = timedelta(seconds=2)
# After its end pages speak of an outage for this long.
TOLD_FOR: Final = timedelta(hours=1)

READ: Final = """
SELECT now.at,
       CASE WHEN open THEN pulse_at WHEN ended_at > now.at THEN began_at ELSE now.at END AS heard,
       pulse_at, CASE WHEN open THEN pulse_at ELSE began_at END, CASE WHEN NOT open THEN ended_at END,
       stepped_at, stepped_by
FROM (SELECT COALESCE(%(at)s, STATEMENT_TIMESTAMP()) AS at) AS now
LEFT JOIN devices_listening ON true
LEFT JOIN LATERAL (
    SELECT began_at, ended_at FROM devices_outage WHERE began_at < now.at ORDER BY began_at DESC LIMIT 1
) AS newest ON true,
LATERAL (SELECT COALESCE(now.at - pulse_at > %(patience)s, false) AS open) AS silence
"""


@dataclass(frozen=True)
class Silence:
    """A time in which the site did not listen; `end` None: it goes on.

    `step`: the database's clock was set at its end, by so much; back, it lasted no time.
    """

    start: datetime
    end: datetime | None
    step: timedelta | None = None

    @property
    def direction(self) -> str:
        """Which way the clock was set at its end."""
        return "back" if self.step is not None and self.step < timedelta() else "forward"


@dataclass(frozen=True)
class Moment:
    """A moment with what the ledger says of it: how far the site had listened by then.

    `heard`: the clock of every reading at it, which is itself, or the start of the outage that it lies in;
    `concluded`: up to where the clock's doings are certain (no outage can begin before it any more);
    `silence`: the newest outage that had begun; `step`: the newest time that the clock was set.
    """

    at: datetime
    heard: datetime
    concluded: datetime
    silence: Silence | None = None
    step: Silence | None = None

    @property
    def in_outage(self) -> bool:
        """Whether it lies in an outage of ours: nothing passes by the clock then."""
        return self.heard != self.at

    @property
    def told(self) -> Silence | None:
        """The silence that a page at that moment speaks of: one that goes on, or is just over.

        Also a step of the clock, which explains the silence that it ended.
        """
        silence, step = self.silence, self.step
        if silence and (silence.end is None or not step or silence.end > (step.end or self.at)):
            step = silence
        return step if step and (step.end is None or step.end <= self.at < step.end + TOLD_FOR) else None


def moment(at: datetime | Moment | None = None) -> Moment:
    """That moment (None: now, by the database's clock) with what the ledger says of it; one query.

    One that knows already is taken at its word. Read once at the edge, then passed on as `at`.
    """
    if isinstance(at, Moment):
        return at
    found = _read(at)
    if at is None:
        database.NEWEST.note(found.at)
    return found


def listened(at: datetime) -> Moment:
    """A moment up to which the site is known to have listened; asks nobody."""
    return Moment(at, at, at)


def _read(at: datetime | None) -> Moment:
    params: dict[str, Any] = {"at": at, "patience": PATIENCE}
    with connection.cursor() as cursor:
        cursor.execute(READ, params)
        read_at, heard, pulse_at, start, end, stepped_at, step = cursor.fetchone()
    return Moment(
        at=read_at,
        heard=heard,
        concluded=min(heard, pulse_at or heard),
        silence=Silence(start, end) if start else None,
        step=Silence(stepped_at, stepped_at, step) if stepped_at else None,
    )
