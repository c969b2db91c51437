"""What the services of this app require of accounts, whose model is in `dashboard`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model

if TYPE_CHECKING:
    from fleets.actor import Person


def hold(person: Person) -> None:
    """Lock this account's row until the end of the transaction."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=person.pk)


def must_prove(person: Person) -> bool:
    """Whether the account's e-mail address still has to be confirmed; only on sites that send mail."""
    return bool(settings.EMAIL_HOST and person.email and not person.email_is_proven)
