"""The command `work`: run background jobs."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.listen import count
from devices.worker.worker import work
from fleets.postgres.checks import at_start


class Command(BaseCommand):
    help = "Runs background jobs until stopped. You can run several. Each job is done by one of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--side-by-side",
            type=count,
            default=2,
            help="how many jobs of different organizations run at the same time",
        )

    def handle(self, *, side_by_side: int, **options: Any) -> None:
        at_start()
        asyncio.run(work(side_by_side=side_by_side))
