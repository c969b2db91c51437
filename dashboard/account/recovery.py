"""Removing second factors and connected sign-ins: from the console, and when a mail resets the password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction

from dashboard.account import address, factors, lines

if TYPE_CHECKING:
    from dashboard.models import User

RESET: Final = "a password reset by e-mail"


@transaction.atomic
def forget_factors(user: User, *, by: str = "the console") -> int:
    """Remove every second factor of this person, and return their number; `by` is the actor in the log."""
    records = list(Authenticator.objects.select_for_update().filter(user=user))
    for record in records:
        words = {"factor": factors.words_of(record)}
        lines.write("factor-removed", user, actor=None, before=words, by=by)
        record.delete()
    return len(records)


@transaction.atomic
def prove_by_reset(user: User) -> int:
    """Mark the account's address as confirmed, as its person has opened a link that was mailed there.

    If it was not confirmed before, somebody else may have typed it and used the account: second factors and
    connected sign-ins are removed. Returns the number removed.
    """
    if user.email_is_proven:
        return 0
    removed = forget_factors(user, by=RESET) + _forget_connections(user)
    address.prove(user, user.email)
    return removed


def _forget_connections(user: User) -> int:
    records = list(SocialAccount.objects.select_for_update().filter(user=user))
    for record in records:
        connection = lines.connection(record)
        lines.write("sign-in-disconnected", user, actor=None, before=connection, by=RESET)
        record.delete()
    return len(records)
