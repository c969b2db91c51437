"""The command `backup`: write the whole site to a directory."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from dashboard.backup import dump, programs
from fleets.postgres.refusals import refusal


class Command(BaseCommand):
    help = "Writes a backup of the whole site to a new directory, while the site runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="a directory that does not exist yet")

    def handle(self, *, directory: Path, **options: Any) -> None:
        try:
            taken = dump.take(directory)
        except (dump.Refused, programs.Unfit) as error:
            raise CommandError(str(error)) from error
        except psycopg.Error as error:
            raise CommandError(f"No backup was taken. {refusal(error) or error}") from error
        rows = sum(taken.rows.values())
        self.stdout.write(f"{directory} has the site as it was at {taken.taken_at}, {rows} rows.")
        self.stdout.write(
            "Keep KEY_PEPPER and SECRET_KEY elsewhere: they are not in it, and it is useless without."
        )
