"""What a person receives no more, since a link in a mail to them was used: pages say so until they look.

Anyone who has the mail can use its link, and mail programs do so by themselves (RFC 8058), so the person may
not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from dashboard.account import people
from dashboard.models import User

MOST: Final = 20  # sentences that are kept, the newest


@transaction.atomic
def note(*, person: int, said: Sequence[str]) -> None:
    """Keep these sentences for the person, by primary key, each once."""
    user = people.hold(User(pk=person))
    user.unsubscribed = list(dict.fromkeys([*user.unsubscribed, *said]))[-MOST:]
    user.save(update_fields=["unsubscribed"])


@transaction.atomic
def looked(*, actor: User) -> None:
    """Say no more of it: the person looks at what they receive."""
    User.objects.filter(pk=actor.pk).update(unsubscribed=[])
