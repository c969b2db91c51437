"""What services need of the table of people, which is the site's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model

if TYPE_CHECKING:
    from fleets.actor import Person


def hold(person: Person) -> None:
    """Until the end of the transaction others who hold this account wait."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=person.pk)


def must_prove(person: Person) -> bool:
    """Whether the account's address is one that somebody only typed, where mail could show whose it is."""
    return bool(settings.EMAIL_HOST and person.email and not person.email_is_proven)
