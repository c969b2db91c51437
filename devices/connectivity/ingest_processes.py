"""The processes of the ingest, each with liveness signs of its own, so that a stuck one is noticed.

The outage ledger goes only as far as all processes listened. A process counts as long as its database session
lasts, which holds an advisory lock: one that ended or was killed is dropped at once, one whose machine or
network died within seconds by TCP keepalives, and one that hangs keeps its session and is waited for.
"""

from __future__ import annotations

import logging
import os
import random
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connection

from devices.clock import PATIENCE, STEP
from devices.clock.own import Before
from fleets.postgres.round_trip import rows_of_each

logger = logging.getLogger("devices.connectivity.outages")

LOCK: Final = 0x70756C73  # the first key of the advisory locks ("puls"); the second is the process's number
WANTED: Final = "sign_wanted"  # the channel on which processes are asked for a sign
SILENT: Final = timedelta(seconds=5)  # since its last liveness sign, until its session is looked for
# The keepalives of the server's side; dashboard/environment/database.py sets those of ours.
KEEPALIVES: Final = """
SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 10000
"""
TAKE: Final = "SELECT pg_try_advisory_lock(%s, %s)"
FORGET: Final = "DELETE FROM devices_listeningprocess WHERE id = %s"
# With every liveness sign: record ours, delete those of ended sessions, find the newest of all as they were
# before, and the oldest of the others.
AT: Final = "COALESCE(%(at)s::timestamptz, STATEMENT_TIMESTAMP())"
SIGN: Final = f"""
WITH own AS (
    INSERT INTO devices_listeningprocess (id, pulse_at, name)
    SELECT %(id)s, {AT}, %(name)s WHERE %(id)s <> 0
    ON CONFLICT (id) DO UPDATE SET pulse_at = EXCLUDED.pulse_at, name = EXCLUDED.name
), gone AS (
    DELETE FROM devices_listeningprocess
    WHERE pulse_at < {AT} - %(silent)s AND id <> %(id)s
      AND pg_try_advisory_xact_lock(%(lock)s, id) RETURNING id
)
SELECT {AT}, (SELECT max(pulse_at) FROM devices_listeningprocess), oldest.pulse_at, oldest.name
FROM (VALUES (true)) AS one LEFT JOIN (
    SELECT pulse_at, name FROM devices_listeningprocess
    WHERE id <> %(id)s AND id NOT IN (SELECT id FROM gone) ORDER BY pulse_at LIMIT 1
) AS oldest ON true
"""
# A sign where nothing else is to be done, in one message. The ledger is locked first, so that the second
# statement sees what was written before, and reads the clock under the lock. It writes nothing and returns no
# row where the clock may have been set, an outage is open or closes, deadlines are to be moved for one,
# another process is silent, or the lock was waited for.
PROMPT: Final = timedelta(seconds=0.1)
LEDGER: Final = "SELECT id FROM devices_listening WHERE id = 1 FOR UPDATE"
USUAL: Final = """
WITH now AS MATERIALIZED (
    SELECT COALESCE(%(at)s::timestamptz, CLOCK_TIMESTAMP()) AS at
), process AS (
    SELECT max(pulse_at) AS newest, min(pulse_at) FILTER (WHERE id <> %(id)s) AS oldest
    FROM devices_listeningprocess
), usual AS (
    SELECT at, LEAST(at, oldest) AS reached FROM now, process, devices_listening ledger
    WHERE ledger.returned_at IS NULL AND ledger.worked_at IS NULL AND NOT ledger.ahead
      AND COALESCE(at <= ledger.resumed_at + (ledger.moved_until - ledger.resumed_at) / 2, true)
      AND at - ledger.pulse_at <= %(patience)s AND (oldest IS NULL OR at - oldest <= %(silent)s)
      AND GREATEST(ledger.pulse_at, newest, %(read)s) - at <= %(step)s
      AND (%(latest)s::timestamptz IS NULL OR at <= %(latest)s)
      AND CLOCK_TIMESTAMP() - STATEMENT_TIMESTAMP() <= %(prompt)s
), own AS (
    INSERT INTO devices_listeningprocess (id, pulse_at, name)
    SELECT %(id)s, at, %(name)s FROM usual WHERE %(id)s <> 0
    ON CONFLICT (id) DO UPDATE SET pulse_at = EXCLUDED.pulse_at, name = EXCLUDED.name
), kept AS (
    UPDATE devices_listening SET pulse_at = GREATEST(pulse_at, reached) FROM usual
)
SELECT at FROM usual
"""
NEWEST: Final = "SELECT max(pulse_at) FROM devices_listeningprocess"


class Presence:
    """The database session of this process, by which others know that it lives. For one thread."""

    def __init__(self) -> None:
        self._number = random.randrange(1, 2**31)
        self._session: psycopg.Connection[Any] | None = None

    def number(self) -> int:
        """The number of this process, locked by a live session; another one where the lock was lost.

        Raises psycopg.Error.
        """
        if not self._lasts():
            self._session = self._begin()
        return self._number

    def socket(self) -> int | None:
        """The number of the file that can be read once a sign is asked for; None without a session."""
        session = self._session
        return None if session is None or session.closed else session.fileno()

    def end(self) -> None:
        """End the session and delete the process's row, so that no other process waits for its signs."""
        if self._session is not None:
            with suppress(psycopg.Error):
                self._session.execute(FORGET, [self._number])
            self._session.close()

    def _lasts(self) -> bool:
        if self._session is None:
            return False
        try:
            self._session.execute("SELECT 1")
        except psycopg.Error:
            self._session.close()
            return False
        return True

    def _begin(self) -> psycopg.Connection[Any]:
        name = connection.settings_dict["NAME"]
        session = psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name, autocommit=True)
        session.execute(KEEPALIVES)
        session.add_notify_handler(lambda _: None)  # without one it would keep them all
        session.execute(f"LISTEN {WANTED}")
        # The lock may be held by a former session of ours that the server does not know to be dead yet.
        while session.execute(TAKE, [LOCK, self._number]).fetchone() != (True,):
            session.execute(FORGET, [self._number])
            self._number = random.randrange(1, 2**31)
        return session


@dataclass(frozen=True)
class Sign:
    """A liveness sign that was recorded at `at`.

    `newest` is the newest sign of any process before it, None without one; `reached` is up to when all
    processes listened.
    """

    at: datetime
    newest: datetime | None
    reached: datetime


def record_usual_sign(process: int, at: datetime | None, before: Before) -> datetime | None:
    """Record a liveness sign, and how far the ledger goes with it, where nothing else is to be done.

    `process` and `at` are those of `record_sign`, `before` what the process's clock knew just before. Returns
    when it was; None where nothing was recorded, and it has to be looked at closely. One message.
    """
    params = _own(process, at) | {
        "patience": PATIENCE,
        "step": STEP,
        "prompt": PROMPT,
        "latest": before.latest,
        "read": before.newest,
    }
    _, found = rows_of_each((LEDGER, USUAL), params)
    return found[0][0] if found else None


def record_sign(process: int, at: datetime | None) -> Sign:
    """Record a liveness sign of the process with this number at `at` (None: the database's clock).

    0 records no sign.
    """
    with connection.cursor() as cursor:
        cursor.execute(SIGN, _own(process, at) | {"lock": LOCK})
        at, newest_before, oldest, name = cursor.fetchone()
    if oldest is None or oldest >= at:
        return Sign(at, newest_before, at)
    if at - oldest > SILENT:
        logger.warning("the ingest process %s has recorded no liveness since %s", name, oldest)
    return Sign(at, newest_before, oldest)


def _own(process: int, at: datetime | None) -> dict[str, Any]:
    return {"id": process, "at": at, "name": f"{socket.gethostname()}:{os.getpid()}", "silent": SILENT}


def ask_for_signs() -> None:
    """Ask every process for a liveness sign now, since something waits until they have listened that far."""
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {WANTED}")


def newest() -> datetime | None:
    """The newest liveness sign of any process; None without one."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST)
        at: datetime | None = cursor.fetchone()[0]
    return at
