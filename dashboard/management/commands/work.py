"""Do what was started in the background."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.listen import count
from devices.worker.worker import work
from fleets.postgres.checks import at_start


class Command(BaseCommand):
    help = "Does background jobs until told to stop. Run one, or several: each job is done by one of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--side-by-side", type=count, default=2, help="jobs at once, of different organizations"
        )

    def handle(self, *, side_by_side: int, **options: Any) -> None:
        at_start()
        asyncio.run(work(side_by_side=side_by_side))
