"""Recompute what is recorded from the facts, and print every disagreement."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices import clock, words
from devices.alerts import verifying
from devices.connectivity import outages
from devices.integrity import checks as integrity

HINTS = {
    integrity.AHEAD: " --repair brings records that are dated in the future to the present.",
    integrity.RULES: " recompute_statuses corrects recorded statuses.",
}


class Command(BaseCommand):
    help = (
        "Checks devices, histories and counters against the facts and prints what disagrees. Without "
        "--repair it changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="first bring records that are dated in the future to the present; have alert rules compared",
        )

    def handle(self, *, repair: bool, **options: Any) -> None:
        if repair:
            outages.set_right()
        step = clock.moment().step
        if step and step.step:
            span, moment = words.duration(abs(step.step), precise=True), words.full(step.start)
            self.stdout.write(f"The database's clock was set {step.direction} by {span} at {moment}.")
        disagreements = list(integrity.disagreements())
        members = list(verifying.sentences())
        for line in [*map(str, disagreements), *members]:
            self.stdout.write(line)
        if repair:
            verifying.repair(clock.now())
        if disagreements or members:
            found = {disagreement.what for disagreement in disagreements}
            hints = "".join(hint for what, hint in HINTS.items() if what in found)
            raise CommandError(f"{len(disagreements) + len(members)} disagreements.{hints}")
        self.stdout.write("All records match the facts.")
