"""Record what the clock has done: deadlines of heartbeats and leases that passed."""

import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, connection

from devices import connectivity, keys

DAY = 24 * 3600.0  # seconds between two cleanings
PAUSE = 1.0  # seconds between two looks: how far the history may lag, never what is shown


class Command(BaseCommand):
    help = "Records the deadlines that passed. Pages are exact without it; it writes their history."
    clean_at = 0.0  # of the monotonic clock

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="go on until told to stop")

    def handle(self, *, watch: bool, **options: Any) -> None:
        if not watch:
            self.stdout.write(f"{connectivity.settle()} changes recorded")
            return
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        while not stopped.is_set():
            self.settle_once()
            stopped.wait(PAUSE)

    def settle_once(self) -> None:
        """One look; a database that is away is waited for, since deadlines do not run away."""
        try:
            if recorded := connectivity.settle():
                self.stdout.write(f"{recorded} changes recorded")
            if time.monotonic() >= self.clean_at:
                keys.forget_former()
                self.clean_at = time.monotonic() + DAY
        except OperationalError as error:
            connection.close()
            self.stderr.write(f"waiting for the database: {error}")
