"""The listener: one connection per process that receives the database's notifications about organizations.

Triggers send a NOTIFY for each organization in which a commit changed statuses
(devices/schema/triggers.py), links (ConnectivityRecord) or wrote the audit log (AuditEntry). Other facts of
a device, such as its last contact, change without a notification.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import psycopg
from django.conf import settings
from django.db import connection
from psycopg.abc import PQGen

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

CHANNEL: Final = "status_changed"
PROBE_INTERVAL: Final = 5.0  # seconds without a notification, after which the connection is probed
RETRY_DELAY: Final = 1.0  # seconds until the next attempt to reach the database
# Called with the primary key of an organization that changed, or None when listening began or ended, so that
# notifications may have been missed.
Callback = Callable[[int | None], None]


class Connection(psycopg.Connection[Any]):
    """A connection that sleeps until the database sends something.

    By itself psycopg wakes up ten times a second to notice Ctrl-C, which reaches the main thread only.
    """

    def wait(
        self, gen: PQGen[Result], interval: float = PROBE_INTERVAL, timeout: float | None = None
    ) -> Result:
        return super().wait(gen, interval, timeout)


class Listener:
    """Receives notifications in a thread of its own; all methods may be called from any thread."""

    def __init__(self, probe_interval: float = PROBE_INTERVAL) -> None:
        self._probe_interval = probe_interval
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._callbacks: list[Callback] = []
        self._thread: threading.Thread | None = None
        # Notifications by organization; those of None count how often listening began or ended.
        self._counts = Counter[int | None]()
        self.listens = False  # whether notifications arrive now, as far as is known

    def start(self) -> None:
        """Start the thread, unless it was started before."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for its end, for up to one probe interval."""
        self._ending.set()
        if self._thread:
            self._thread.join()

    def subscribe(self, callback: Callback) -> None:
        """Have `callback` called, in the listener's thread, for each notification from now on."""
        self._callbacks.append(callback)

    def state(self, organizations: Iterable[int]) -> tuple[int, ...] | None:
        """A value that is equal until a notification about one of these organizations arrives.

        None while the listener receives no notifications.
        """
        if not self.listens:
            return None
        return tuple(self._counts[organization] for organization in (None, *organizations))

    def _run(self) -> None:
        """Listen until the end, and again after any error: pages would not notice that nothing arrives."""
        while not self._ending.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - it is logged, and listening begins again
                logger.warning("the database sends no notifications: %s", str(error).partition("\n")[0])
            if self.listens:
                self.listens = False
                self._notify(None)
            self._ending.wait(RETRY_DELAY)

    def _listen(self) -> None:
        name = connection.settings_dict["NAME"]
        with Connection.connect(
            settings.DATABASE_DIRECT_URL, dbname=name, application_name="listener", autocommit=True
        ) as opened:
            opened.execute(f"LISTEN {CHANNEL}")
            self.listens = True
            self._notify(None)
            while not self._ending.is_set():
                for notification in opened.notifies(timeout=self._probe_interval):
                    self._notify(int(notification.payload))
                opened.execute("SELECT 1")

    def _notify(self, organization: int | None) -> None:
        self._counts[organization] += 1
        for callback in self._callbacks:
            try:
                callback(organization)
            except Exception:
                logger.exception("a receiver of notifications failed")


LISTENER: Final = Listener()
