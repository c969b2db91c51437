"""The ingest's processes, each with a pulse of its own: one that is stuck does not hide behind another's.

A process is waited for as long as its session at the database lasts, which holds an advisory lock. One that
ended or was killed is gone at once, one whose machine or network died within seconds, as the server asks for
signs of life; one that hangs keeps its session.
"""

from __future__ import annotations

import logging
import os
import random
import socket
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connection

from devices.models import ListeningProcess

logger = logging.getLogger("devices.connectivity.outages")

LOCK: Final = 0x70756C73  # the class of these locks ("puls"); beside it stands the process's number
SILENT: Final = timedelta(seconds=5)  # since its last pulse: asked whether it is gone
# The server's side of what dashboard/environment/database.py sets at ours.
KEEPALIVES: Final = """
SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 10000
"""
TAKE: Final = "SELECT pg_try_advisory_lock(%s, %s)"
FORGET: Final = "DELETE FROM devices_listeningprocess WHERE id = %s"
GONE: Final = """
DELETE FROM devices_listeningprocess
WHERE pulse_at < %s AND id <> %s AND pg_try_advisory_xact_lock(%s, id)
"""


class Presence:
    """This process's session; for one thread."""

    def __init__(self) -> None:
        self._number = random.randrange(1, 2**31)
        self._session: psycopg.Connection[Any] | None = None

    def number(self) -> int:
        """What its pulses are known by, as long as its session lasts. Raises psycopg.Error."""
        if not self._lasts():
            self._session = self._begin()
        return self._number

    def end(self) -> None:
        """It listens no more, and nobody waits for it."""
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
        # Taken: by a session of ours that the server does not yet know to be dead, if by any.
        while session.execute(TAKE, [LOCK, self._number]).fetchone() != (True,):
            session.execute(FORGET, [self._number])
            self._number = random.randrange(1, 2**31)
        return session


def heard_by_all(process: int, at: datetime) -> datetime:
    """The process of this number (0: none of them) listens at that moment; up to when all of them did."""
    if process:
        own = ListeningProcess(id=process, pulse_at=at, name=f"{socket.gethostname()}:{os.getpid()}")
        ListeningProcess.objects.bulk_create(
            [own], update_conflicts=True, unique_fields=["id"], update_fields=["pulse_at", "name"]
        )
    with connection.cursor() as cursor:
        cursor.execute(GONE, [at - SILENT, process, LOCK])
    oldest = ListeningProcess.objects.exclude(pk=process).order_by("pulse_at").first()
    if oldest is None or oldest.pulse_at >= at:
        return at
    if at - oldest.pulse_at > SILENT:
        logger.warning("the ingest process %s has left no pulse since %s", oldest.name, oldest.pulse_at)
    return oldest.pulse_at
