"""The command `make_owner`: make a person Owner of an organization whose Owners cannot be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.account import people
from fleets.models import Organization
from fleets.services import members

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Makes a person Owner of an organization, member or not. The audit log shows that the console did it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", help="its address, as in its URL /settings/ADDRESS/")
        parser.add_argument("user", help="user name or e-mail address")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        user = people.named(options["user"])
        if organization is None or user is None:
            missing = "organization" if organization is None else "user"
            raise CommandError(f"There is no {missing} {options[missing]}.")
        made = members.make_owner(organization=organization, user=user)
        self.stdout.write(
            (f"{user} is now Owner of {organization}.")
            if made
            else f"{user} is already Owner of {organization}."
        )
