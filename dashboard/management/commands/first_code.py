"""The command `first_code`: print the code that the page /welcome/ requires."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.account import first_run


class Command(BaseCommand):
    help = "Prints the code for creating the first account of this site."

    def handle(self, *args: Any, **options: Any) -> None:
        if first_run.is_over():
            raise CommandError("This site already has an account, so there is no code.")
        self.stdout.write(first_run.code())
