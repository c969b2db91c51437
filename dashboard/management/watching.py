"""Commands that run one round of something, or with --watch rounds until they are stopped."""

import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import Error, OperationalError

from fleets.postgres import availability
from fleets.postgres.checks import at_start
from fleets.postgres.leader import Leader


class WatchCommand(BaseCommand):
    """A command of which several processes may run: one of them leads. Subclasses have `once` and `watch`."""

    quiet = False  # with --verbosity 0

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--watch", action="store_true", help="keep running until stopped (if several run, one works)"
        )

    def handle(self, *, watch: bool, verbosity: int, **options: Any) -> None:
        if not watch:
            self.once()
            return
        at_start()
        self.quiet = verbosity == 0
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        self.watch(stopped)

    def once(self) -> None:
        """Run one round."""
        raise NotImplementedError

    def watch(self, stopped: threading.Event) -> None:
        """Run rounds until `stopped` is set. Of several processes one leads, and the others wait."""
        raise NotImplementedError

    @contextmanager
    def waiting_for_database(self, leader: Leader) -> Iterator[None]:
        """If the database goes away in the block, this process resigns and says so, and goes on behind it."""
        try:
            yield
        except (Error, psycopg.Error) as error:
            if not (availability.is_away(error) or isinstance(error, OperationalError)):
                raise
            leader.resign()
            availability.drop()
            self.stderr.write(f"waiting for the database: {error}")

    def say(self, line: str) -> None:
        """Print a line unless --verbosity is 0."""
        if not self.quiet:
            self.stdout.write(line)
