"""Moments: the database's clock read together with the outage ledger (domain.md, Our own outages).

Inside an outage nothing passes by the clock, so every reading is the one at `heard`, the outage's start. The
database's clock (fleets/postgres/clock.py) may be set; devices/connectivity/outages.py notices that, by
comparing it with the clock of devices/clock/own.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from fleets.postgres import clock as database
from fleets.postgres.clock import now
from fleets.postgres.round_trip import rows_of_each

__all__ = [
    "ANNOUNCED_FOR",
    "LEASE",
    "PATIENCE",
    "READ",
    "STEP",
    "Interruption",
    "Moment",
    "listened",
    "moment",
    "moment_with",
    "now",
]

# A longer gap between two liveness signs of the ingest is an outage.
PATIENCE: Final = timedelta(seconds=10)
LEASE: Final = timedelta(seconds=60)  # of a VPN server, from its last sign or event
# A clock that was set by more has stepped. One that was set by less is right again within two liveness signs.
STEP: Final = timedelta(seconds=2)
# For how long pages announce an outage after its end.
ANNOUNCED_FOR: Final = timedelta(hours=1)

READ: Final = """
SELECT now.at,
       CASE WHEN open THEN pulse_at WHEN ended_at > now.at THEN began_at ELSE now.at END AS heard,
       pulse_at, CASE WHEN open THEN pulse_at ELSE began_at END, CASE WHEN NOT open THEN ended_at END,
       stepped_at, stepped_by, resumed_at
FROM (SELECT COALESCE(%(at)s, STATEMENT_TIMESTAMP()) AS at) AS now
LEFT JOIN devices_listening ON true
LEFT JOIN LATERAL (
    SELECT began_at, ended_at FROM devices_outage WHERE began_at < now.at ORDER BY began_at DESC LIMIT 1
) AS newest ON true,
LATERAL (SELECT COALESCE(now.at - pulse_at > %(patience)s, false) AS open) AS outage
"""


@dataclass(frozen=True)
class Interruption:
    """A time in which the site did not observe devices: an outage, or a step of the database's clock.

    `end` None: the outage is still open. `step` is by how much the clock was set at `end`, negative where it
    was set back (then `start` equals `end`); None: it was not set.
    """

    start: datetime
    end: datetime | None
    step: timedelta | None = None

    @property
    def direction(self) -> str:
        """Which way the clock was set at `end`: "back" or "forward"."""
        return "back" if self.step is not None and self.step < timedelta() else "forward"


@dataclass(frozen=True)
class Moment:
    """A moment `at` with what the outage ledger knows about it.

    `heard`: the moment that readings use, `at` itself or the start of the outage that it lies in.
    `concluded`: deadlines up to here have certainly passed, as no outage can begin before it any more.
    `outage`: the newest outage that had begun; `step`: the newest step of the database's clock.
    `resumed`: the end of an outage for which deadlines have yet to move; their windows begin again from it.
    `moved`: the ids of all devices that moved (devices/status/reading.py) of which the reader may know, where
    they have been read.
    """

    at: datetime
    heard: datetime
    concluded: datetime
    outage: Interruption | None = None
    step: Interruption | None = None
    resumed: datetime | None = None
    moved: Sequence[int] | None = field(default=None, compare=False)

    @property
    def in_outage(self) -> bool:
        """Whether the moment lies in an outage of ours, in which nothing passes by the clock."""
        return self.heard != self.at

    @property
    def announced(self) -> Interruption | None:
        """The interruption that pages announce at this moment, open or over for less than an hour; or None.

        Where a step of the clock is newer than the outage, the step, which explains the outage it ended.
        """
        outage, step = self.outage, self.step
        if outage and (outage.end is None or not step or outage.end > (step.end or self.at)):
            step = outage
        return step if step and (step.end is None or step.end <= self.at < step.end + ANNOUNCED_FOR) else None


def moment(at: datetime | Moment | None = None) -> Moment:
    """`at` (None: the database's clock) with what the outage ledger knows about it; one query.

    A Moment is returned as it is, without a query: views and commands read one, then pass it on as `at`.
    """
    if isinstance(at, Moment):
        return at
    found = _read(at)
    if at is None:
        database.NEWEST.note(found.at)
    return found


def moment_with(statement: str, params: Mapping[str, Any]) -> tuple[Moment, list[tuple[Any, ...]]]:
    """The present moment, and the rows of a statement that is sent with it; one round trip.

    In the statement `%(at)s` is None, and STATEMENT_TIMESTAMP() the same moment.
    """
    (read,), rows = rows_of_each((READ, statement), {**params, "at": None, "patience": PATIENCE})
    found = _moment(read)
    database.NEWEST.note(found.at)
    return found, rows


def listened(at: datetime) -> Moment:
    """A Moment of `at`, up to which the caller knows the site to have listened; no query."""
    return Moment(at, at, at)


def _read(at: datetime | None) -> Moment:
    ((row,),) = rows_of_each((READ,), {"at": at, "patience": PATIENCE})
    return _moment(row)


def _moment(row: tuple[Any, ...]) -> Moment:
    """The Moment of a row of READ."""
    read_at, heard, pulse_at, start, end, stepped_at, step, resumed = row
    return Moment(
        at=read_at,
        heard=heard,
        concluded=min(heard, pulse_at or heard),
        outage=Interruption(start, end) if start else None,
        step=Interruption(stepped_at, stepped_at, step) if stepped_at else None,
        resumed=resumed,
    )
