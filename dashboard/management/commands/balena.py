"""The command `balena`: check, sweep and migrate from sources, an openBalena or a balenaCloud."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from dashboard.management.watching import WatchCommand
from devices import clock
from devices.models import MirroredFleet, Source
from devices.sources import check, secrets
from devices.sources.addresses import NotAllowed
from devices.sources.client import Failed
from devices.sources.migration import NotHere, import_keys, keys_in, migrate
from devices.sources.rounds import Rounds, told
from devices.sources.sweep import sweep
from fleets.models import Fleet
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

        migrating = actions.add_parser("migrate", help="have devices of a source be devices of this site")
        migrating.add_argument("fleet", help="slug of the fleet there, such as acme/pumps")
        migrating.add_argument("--to", required=True, help="slug of a fleet of this site")
        migrating.add_argument("--dry-run", action="store_true", help="only say what would be done")
        migrating.add_argument("--keys", type=Path, help="CSV file with the columns uuid and key")

    def handle(self, *, watch: bool = False, verbosity: int = 1, **options: Any) -> None:
        if watch:
            super().handle(watch=True, verbosity=verbosity)
        elif options["action"] == "check":
            self._each(options["source"], self._check)
        elif options["action"] == "migrate":
            self._migrate(options["fleet"], options["to"], options["keys"], dry_run=options["dry_run"])
        else:
            self._each(options["source"], self._sweep)

    def watch(self, stopped: threading.Event) -> None:
        """Sweep what is due until `stopped` is set. Of several processes one leads, and the others wait."""
        leader, rounds = Leader(SWEEPING), Rounds(self.say)
        while not stopped.is_set():
            reads = False
            with self.waiting_for_database(leader):
                reads = leader.leads() and rounds.run(clock.now())
                connection.close()  # it is not needed until the next look
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

    def _migrate(self, slug: str, to: str, file: Path | None, *, dry_run: bool) -> None:
        mirrored = MirroredFleet.objects.select_related("source", "fleet").filter(slug=slug).first()
        fleet = Fleet.objects.select_related("organization").filter(slug=to).first()
        if mirrored is None or fleet is None:
            raise CommandError(f"There is no fleet {to if mirrored else slug}.")
        try:
            found = keys_in(file.read_text(encoding="utf-8").splitlines()) if file else {}
            report = migrate(mirrored=mirrored, to=fleet, dry_run=dry_run)
        except (NotHere, OSError) as error:
            raise CommandError(str(error)) from error
        number = len(report.migrated)
        if dry_run:
            listed = len(found.keys() & {*report.migrated})
            result = f"{number} devices would be migrated to {fleet}. The file has keys of {listed} of them."
        else:
            accepted = import_keys(fleet, report, found)
            result = f"{number} devices are migrated to {fleet}. {accepted} keys are accepted."
        left = [f"{uuid}: its key was not taken over. {why}" for uuid, why in report.left.items()]
        self.stdout.write("\n".join([*report.migrated, *left, result]))

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
