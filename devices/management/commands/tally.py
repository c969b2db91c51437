"""Write the rollups of every fleet that are missing, or all of them again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from devices import connectivity
from devices.history import rollups


class Command(BaseCommand):
    help = "Writes the hourly device counts per fleet and status from the status history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="write all of them again")

    def handle(self, *, rebuild: bool, **options: Any) -> None:
        connectivity.settle()
        hours = rollups.rebuild() if rebuild else rollups.keep()
        self.stdout.write(f"{hours} hours written")
