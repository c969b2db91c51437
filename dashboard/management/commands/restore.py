"""The command `restore`: bring a backup into an empty database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from dashboard.backup import manifest, programs, restore
from fleets.postgres.refusals import refusal


class Command(BaseCommand):
    help = "Restores a backup into an empty database, whole or not at all."
    requires_system_checks = []  # the database is empty

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="what manage.py backup wrote")

    def handle(self, *, directory: Path, **options: Any) -> None:
        try:
            kept = restore.restore(directory)
        except (Error, psycopg.Error) as error:
            raise CommandError(f"Nothing was restored. {refusal(error) or error}") from error
        except (restore.Refused, manifest.Damaged, programs.Unfit) as error:
            raise CommandError(f"Nothing was restored. {error}") from error
        self.stdout.write(f"The site is as it was at {kept.taken_at}. All targets of alerts are paused.")
        self.stdout.write("Start its processes: the time since then becomes an outage of Lookout.")
