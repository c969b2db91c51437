"""What the console does for people who have lost their second factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.mfa.models import Authenticator
from django.db import transaction

from dashboard.account import factors, lines

if TYPE_CHECKING:
    from dashboard.models import User


@transaction.atomic
def forget_factors(user: User) -> int:
    """Remove every second factor of this person. Returns how many there were."""
    found = list(Authenticator.objects.select_for_update().filter(user=user))
    for each in found:
        words = {"factor": factors.words_of(each)}
        lines.write("factor-removed", user, actor=None, before=words, by="the console")
        each.delete()
    return len(found)
