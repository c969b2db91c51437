"""The command `balena`: check, sweep and migrate from sources, an openBalena or a balenaCloud."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from dashboard.management.watching import WatchCommand
from devices import clock
from devices.models import Source
from devices.sources import check, secrets
from devices.sources.addresses import NotAllowed
from devices.sources.client import Failed
from devices.sources.rounds import Rounds, told
from devices.sources.sweep import sweep
from fleets.postgres.leader import SWEEPING, Leader

PAUSE = 5.0  # seconds between two looks at which sources are due
IDLE = 15.0  # seconds where there is no source, or another process leads


class Command(WatchCommand):
    help = "Reads fleets and devices from the sources of this site: an openBalena or a balenaCloud."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        checking = actions.add_parser("check", help="say what the token of each source may see")
        checking.add_argument("source", nargs="*", help="names of sources; none: all")
        sweeping = actions.add_parser("sweep", help="read everything once, or with --watch when it is due")
        sweeping.add_argument("source", nargs="*", help="names of sources; none: all")
        sweeping.add_argument(
            "--watch", action="store_true", help="keep running until stopped (if several run, one works)"
        )

    def handle(self, *, watch: bool = False, verbosity: int = 1, **options: Any) -> None:
        if watch:
            super().handle(watch=True, verbosity=verbosity)
        elif options["action"] == "check":
            self._each(options["source"], self._check)
        else:
            self._each(options["source"], self._sweep)

    def watch(self, stopped: threading.Event) -> None:
        """Sweep what is due until `stopped` is set. Of several processes one leads, and the others wait."""
        leader, rounds = Leader(SWEEPING), Rounds(self.say)
        while not stopped.is_set():
            reads = False
            with self.waiting_for_database(leader):
                reads = leader.leads() and rounds.run(clock.now())
            stopped.wait(PAUSE if reads else IDLE)
        rounds.finish()
        leader.resign()

    def _each(self, names: list[str], do: Any) -> None:
        found = Source.objects.select_related("organization")
        sources = list(found.filter(name__in=names) if names else found)
        if missing := set(names) - {source.name for source in sources}:
            raise CommandError(f"There is no source {', '.join(sorted(missing))}.")
        failed = [source.name for source in sources if not do(source)]
        if failed:
            raise CommandError(f"Not read: {', '.join(failed)}.")

    def _check(self, source: Source) -> bool:
        try:
            seen = check.check(source.address, secrets.read(source), source.only_fleets)
        except (Failed, NotAllowed, secrets.Unreadable) as error:
            self.stdout.write(f"{source}: {error}")
            return False
        self.stdout.write(f"{source}: {seen.words}")
        return True

    def _sweep(self, source: Source) -> bool:
        outcome = sweep(source, whole=True)
        self.stdout.write(told(source, outcome))
        return not outcome.error
