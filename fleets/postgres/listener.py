"""What the database tells of the organizations: one connection of this process listens, whoever asks.

The triggers send a NOTIFY for each organization that a commit touched: statuses
(devices/schema/triggers.py), links
(ConnectivityRecord), and what people and keys do (AuditEntry). Other facts of a device, such as its last
contact, change without one.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import psycopg
from django.conf import settings
from django.db import connection

logger = logging.getLogger(__name__)

CHANNEL: Final = "status_changed"
LOOK: Final = 5.0  # seconds until a silent connection is asked whether it lives
PAUSE: Final = 1.0  # seconds until another attempt to reach the database

# Told of which organization there is news; None: listening began or ended, so anything may have been missed.
Hearer = Callable[[int | None], None]


class Listener:
    """Started once in a process that serves; safe from any thread."""

    def __init__(self, look: float = LOOK) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._hearers: list[Hearer] = []
        self._thread: threading.Thread | None = None
        self._times = Counter[
            int | None
        ]()  # that each organization was told of; None: listening began or ended
        self.listens = False  # what happens is heard, at this moment as far as known

    def start(self) -> None:
        """Listen from now on; nothing where it does already."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Listen no more, once it has looked again."""
        self._ending.set()
        if self._thread:
            self._thread.join()

    def hear(self, hearer: Hearer) -> None:
        """Have it called, in the thread that listens."""
        self._hearers.append(hearer)

    def state(self, organizations: Iterable[int]) -> tuple[int, ...] | None:
        """The same as long as nothing happened in these organizations; None: nobody here would know."""
        if not self.listens:
            return None
        return tuple(self._times[organization] for organization in (None, *organizations))

    def _run(self) -> None:
        """Whatever fails is begun anew: a process that heard nothing any more would not know it."""
        while not self._ending.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001  see above
                logger.warning("the database sends no notifications: %s", str(error).partition("\n")[0])
            if self.listens:
                self.listens = False
                self._tell(None)
            self._ending.wait(PAUSE)

    def _listen(self) -> None:
        name = connection.settings_dict["NAME"]
        with psycopg.connect(
            settings.DATABASE_DIRECT_URL, dbname=name, application_name="listener", autocommit=True
        ) as opened:
            opened.execute(f"LISTEN {CHANNEL}")
            self.listens = True
            self._tell(None)
            while not self._ending.is_set():
                for told in opened.notifies(timeout=self._look):
                    self._tell(int(told.payload))
                opened.execute("SELECT 1")

    def _tell(self, organization: int | None) -> None:
        self._times[organization] += 1
        for hearer in self._hearers:
            try:
                hearer(organization)
            except Exception:
                logger.exception("a receiver of notifications failed")


LISTENER: Final = Listener()
