"""Say the code that the page /welcome/ asks for."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.account import first_run


class Command(BaseCommand):
    help = "Prints the code with which the first account of this site is made, while it has none."

    def handle(self, *args: Any, **options: Any) -> None:
        if first_run.is_over():
            raise CommandError("This site has an account already: its first run is over.")
        self.stdout.write(first_run.code())
