"""The command `forget_factors`: let a person who has lost every second factor sign in by password alone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.account import people, recovery


class Command(BaseCommand):
    help = (
        "Removes the second factors and passkeys of an account. First make sure that the person asked for it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="user name or e-mail address")

    def handle(self, *args: Any, **options: Any) -> None:
        user = people.named(options["name"])
        if user is None:
            raise CommandError(f"There is no account {options['name']}. Nothing was changed.")
        number = recovery.forget_factors(user)
        self.stdout.write(f"Removed {number} of {user}. The password alone signs in now.")
