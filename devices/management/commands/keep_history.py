"""Create the next partitions of the histories, and drop those that are too old."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from devices import clock
from devices.clock.trusted import trusted
from devices.history import retention


class Command(BaseCommand):
    help = (
        "Creates the next months of the histories and shows which old ones would be dropped. --drop drops"
        " them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            ("--days"), type=int, default=settings.HISTORY_DAYS, help="how many days are kept at least"
        )
        parser.add_argument(
            ("--drop"), action="store_true", help="drop older months (what was true at their end is kept)"
        )

    def handle(self, *, days: int, drop: bool, **options: Any) -> None:
        at = clock.moment()
        cut = retention.cut_at(trusted(at), days)
        for name in retention.make_ahead(at.at):
            self.stdout.write(f"created {name}")
        for name in retention.drop_old(cut) if drop else retention.too_old(cut):
            self.stdout.write(f"dropped {name}" if drop else f"would drop {name}")
        self.stdout.write(f"the histories begin at {cut:%Y-%m-%d}" if drop else "nothing was dropped")
