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


class Moment(datetime):
    """A moment that knows how far the site had listened by then.

    `heard`: the clock of every reading at it, `concluded`: up to where the clock's doings are certain (no
    outage can begin before it any more), `silence`: the newest outage that had begun, `step`: the newest time
    that the clock was set. A moment computed from another one knows nothing: see `known`.
    """

    heard_at: datetime | None = None
    concluded_at: datetime | None = None
    silence: Silence | None = None
    step: Silence | None = None

    @property
    def heard(self) -> Moment:
        return self if self.heard_at == self else moment(self.heard_at or self, self.silence, step=self.step)

    @property
    def concluded(self) -> Moment:
        return moment(self.concluded_at or self, self.silence, step=self.step)


def now() -> Moment:
    """The database's clock at this moment, with time zone. Read once at the edge, then passed on as `at`."""
    at = _read(None)
    database.NEWEST.note(at)
    return at


def known(at: datetime) -> Moment:
    """That moment with what the ledger says of it; asks the database unless it knows already."""
    return at if isinstance(at, Moment) and at.heard_at else _read(at)


def heard(at: datetime) -> Moment:
    """The clock of every reading at that moment: itself, or the start of the outage that it lies in."""
    return known(at).heard


def told(at: datetime) -> Silence | None:
    """The silence that a page at that moment speaks of: one that goes on, or is just over.

    Also a step of the clock, which explains the silence that it ended.
    """
    if not isinstance(at, Moment):
        return None
    silence, step = at.silence, at.step
    if silence and (silence.end is None or not step or silence.end > (step.end or at)):
        step = silence
    return step if step and (step.end is None or step.end <= at < step.end + TOLD_FOR) else None


def _read(at: datetime | None) -> Moment:
    params: dict[str, Any] = {"at": at, "patience": PATIENCE}
    with connection.cursor() as cursor:
        cursor.execute(READ, params)
        read_at, heard_at, pulse_at, start, end, stepped_at, step = cursor.fetchone()
    return moment(
        read_at,
        Silence(start, end) if start else None,
        heard_at,
        min(heard_at, pulse_at or heard_at),
        Silence(stepped_at, stepped_at, step) if stepped_at else None,
    )


def moment(
    at: datetime,
    silence: Silence | None,
    heard_at: datetime | None = None,
    concluded_at: datetime | None = None,
    step: Silence | None = None,
) -> Moment:
    """By itself a moment that was heard."""
    made = Moment.combine(at.date(), at.timetz())
    made.heard_at, made.concluded_at = heard_at or at, concluded_at or at
    made.silence, made.step = silence, step
    return made
