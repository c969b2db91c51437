"""Writing the outage ledger (domain.md, Our own outages): liveness signs, and closing an outage.

While an outage is open, readings are those at its start (devices/clock). The first sign after an outage moves
deadlines, a portion per transaction, and closes it once those that come soon have moved; the others move
behind later signs (devices/connectivity/moving.py). The ledger goes no further than they have moved, so no
reading meets a deadline that has yet to move.

A sign also notices that the database's clock was set (domain.md, Times). Set forward, it went further than
the process's own clock: the skipped time is treated as an outage. Set back, the newest sign lies in the
future, whichever process recorded it: what is dated there is redated to the present (devices/clock/steps.py),
a portion per transaction.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from devices import clock
from devices.clock import LEASE, PATIENCE, STEP, steps
from devices.clock.own import Look, OwnClock
from devices.connectivity import ingest_processes, moving
from devices.models import Listening, ListeningProcess, Outage, SourceOutage
from fleets.postgres.clock import DatabaseClock

logger = logging.getLogger("devices.connectivity.outages")

LIVENESS_EVERY: Final = 2.0  # seconds

# Leases that had not ended at the start last as if the server's last sign had come at the end of the outage.
MOVE_LEASES: Final = """
WITH alive AS (
    SELECT id FROM devices_vpnserver WHERE due_at > %(start)s ORDER BY id FOR NO KEY UPDATE
)
UPDATE devices_vpnserver s
SET due_at = GREATEST(due_at, %(end)s + %(lease)s), lease_until = GREATEST(due_at, %(end)s + %(lease)s)
FROM alive WHERE s.id = alive.id
"""


# The ledger is read and kept by each liveness sign, so by SQL: the ORM took a third of a sign's time.
LOCK: Final = "SELECT * FROM devices_listening WHERE id = 1 FOR UPDATE"
KEEP: Final = """
UPDATE devices_listening
SET pulse_at = %(pulse_at)s, returned_at = %(returned_at)s, worked_at = %(worked_at)s,
    moved_to = %(moved_to)s, resumed_at = %(resumed_at)s, moved_until = %(moved_until)s,
    ahead = %(ahead)s, stepped_at = %(stepped_at)s, stepped_by = %(stepped_by)s
WHERE id = 1
"""


def record_liveness(at: datetime | None = None, own: OwnClock | None = None) -> None:
    """Record that the ingest listens at `at` (None: the database's clock), after closing an outage, if any.

    `own` is the process's clock, which remembers the reading at its sign before; None: one without a memory.
    """
    own = own or OwnClock()
    while not beat(at, own=own):
        pass


def beat(at: datetime | None = None, process: int = 0, own: OwnClock | None = None) -> bool:
    """Record a liveness sign, or do a portion of closing an outage or moving deadlines; whether that was all.

    `at` None: the database's clock. `process` is the number of the process
    (devices/connectivity/ingest_processes.py; 0: none): the ledger goes as far as all processes listened.
    `own` is the process's clock, which remembers the reading at its sign before.
    """
    own = own or OwnClock()
    before = own.before(at)
    if usual := ingest_processes.record_usual_sign(process, at, before):
        own.compare(before, usual)
    done = usual is not None or _beat(at, process, own)
    own.keep()
    return done


@transaction.atomic
def _beat(at: datetime | None, process: int, own: OwnClock) -> bool:
    """One transaction of `beat`. The lock on the ledger serializes processes that come back together.

    The clock is read under that lock, so it is later than every recorded sign, unless it was set back.
    """
    ledger, began = _locked(), False
    if ledger is None:
        first = {"pulse_at": at or DatabaseClock()}
        ledger, began = Listening.objects.select_for_update().get_or_create(pk=1, defaults=first)
    before = own.before(at)
    sign = ingest_processes.record_sign(process, at)
    look = own.compare(before, sign.at)
    if began:
        return True
    if (newest := _newest(ledger, look, sign.newest)) - look.at > STEP:
        _set_back(ledger, look.at, min(look.beyond, look.at - newest))
    left = _go_on(ledger, look, sign.reached)
    done = left and (_bring(ledger, look.at) if ledger.ahead else moving.go_on(ledger, look.at))
    _keep(ledger)
    return done


def _locked() -> Listening | None:
    """The ledger, locked; None before the first sign ever."""
    return next(iter(Listening.objects.raw(LOCK)), None)


def _keep(ledger: Listening) -> None:
    with connection.cursor() as cursor:
        cursor.execute(KEEP, vars(ledger))


def _go_on(ledger: Listening, look: Look, reached: datetime) -> bool:
    """Advance the ledger to `reached`, up to when all processes listened; False while an outage closes."""
    skipped = _set_forward(ledger, look)
    if not skipped and reached <= ledger.pulse_at:
        return True
    away = skipped or look.at - ledger.pulse_at > PATIENCE  # as every reading until now has it
    if not away and not moving.have_moved(ledger, reached + PATIENCE):
        return True
    if away and not _close(ledger, look):
        return False
    ledger.pulse_at = look.at if away else reached
    ledger.returned_at = ledger.worked_at = None
    return True


def _newest(ledger: Listening, look: Look, sign: datetime | None) -> datetime:
    """The newest moment that the ledger or this process has read: a clock that shows less was set back.

    `sign` is the newest liveness sign of any process. The process's own reading does not count once another
    process has noticed a step since.
    """
    noticed = ledger.stepped_at and timedelta() <= look.at - ledger.stepped_at <= look.passed
    read = None if noticed else look.newest
    known: list[datetime | None] = [ledger.pulse_at, ledger.returned_at, ledger.worked_at, sign, read]
    return max(moment for moment in known if moment)


def _set_forward(ledger: Listening, look: Look) -> bool:
    """Whether the database's clock was set forward, and no other process has dealt with that."""
    if ledger.returned_at is not None:
        return ledger.returned_at - ledger.pulse_at <= PATIENCE
    return look.beyond > STEP and not Outage.objects.filter(ended_at__gt=look.since).exists()


def _set_back(ledger: Listening, at: datetime, by: timedelta) -> None:
    """Note in the ledger that the clock was set back to `at`, by `by` (negative), and drop what lies ahead.

    What is dated ahead of devices is redated by this sign and the next ones (`ledger.ahead`).
    """
    ledger.stepped_at, ledger.stepped_by = at, _rounded(by)
    for outages in (Outage.objects.all(), SourceOutage.objects.all()):
        outages.filter(began_at__gte=at).delete()
        outages.filter(ended_at__gt=at).update(ended_at=at)
    ListeningProcess.objects.filter(pulse_at__gt=at).update(pulse_at=at)
    ledger.pulse_at, ledger.returned_at, ledger.worked_at = min(ledger.pulse_at, at), None, None
    ledger.ahead, ledger.moved_to = True, 0
    ledger.resumed_at = ledger.resumed_at and min(ledger.resumed_at, at)
    logger.warning("the database's clock was set back by %s, to %s", -ledger.stepped_by, at)


def _rounded(step: timedelta) -> timedelta:
    """The step rounded to seconds, the accuracy to which it is known."""
    return timedelta(seconds=round(step.total_seconds()))


def _bring(ledger: Listening, at: datetime) -> bool:
    """Redate the next portion of what is dated ahead of `at`; returns whether none is left."""
    last = steps.bring(ledger.moved_to, at)
    ledger.ahead, ledger.moved_to = last is not None, last or 0
    if not ledger.ahead:
        logger.warning("no record is dated in the future any longer")
    return not ledger.ahead


def notice(own: OwnClock) -> None:
    """Note in the ledger that the clock was set back, if this process saw that; the next sign redates.

    For a process that always runs: changes by people are dated even while no process of the ingest runs.
    """
    look = own.look()
    if look.newest and look.newest - look.at > STEP:
        with transaction.atomic():
            ledger = _locked()
            if ledger and (newest := _newest(ledger, look, ingest_processes.newest())) - look.at > STEP:
                _set_back(ledger, look.at, look.at - newest)
                _keep(ledger)
    own.keep()


def set_right(at: datetime | None = None) -> None:
    """Redate everything that is dated after `at` (None: the database's clock) to it, noticed or not."""
    at = at or clock.now()
    with transaction.atomic():
        ledger = _locked()
        if ledger and (newest := _newest(ledger, Look(at), ingest_processes.newest())) > at:
            _set_back(ledger, at, at - newest)
            _keep(ledger)
    last: int | None = 0
    while last is not None:
        with transaction.atomic():
            last = steps.bring(last, at)


def _close(ledger: Listening, look: Look) -> bool:
    """Do a portion of closing the outage since the ledger's newest sign; returns whether it is closed.

    The outage ends when the ingest came back, or came back again, if it was away before it was closed.
    """
    at = look.at
    if ledger.returned_at is None or ledger.worked_at is None or at - ledger.worked_at > PATIENCE:
        ledger.returned_at = at
        moving.begin(ledger, at)
        if look.beyond > STEP:
            ledger.stepped_at, ledger.stepped_by = at, _rounded(look.beyond)
            logger.warning("the database's clock was set forward by %s, to %s", ledger.stepped_by, at)
    ledger.worked_at = at
    if not moving.go_on(ledger, at, start=ledger.pulse_at):
        return False
    params: dict[str, Any] = {"start": ledger.pulse_at, "end": ledger.returned_at, "lease": LEASE}
    with connection.cursor() as cursor:
        cursor.execute(MOVE_LEASES, params)
    Outage.objects.create(began_at=ledger.pulse_at, ended_at=ledger.returned_at)
    logger.warning(
        "Lookout was down from %(start)s to %(end)s; statuses were not changed for that time", params
    )
    return True
