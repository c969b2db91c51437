"""That a person wants no mail of some rules, or of all alerts, said by a link in such a mail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.core import signing
from django.db import transaction

from devices.alerts import follows
from devices.alerts.text import whole
from devices.models import AlertRule
from fleets.models import Membership, Organization

SALT: Final = "lookout.alerts.unsubscribe"
PATH: Final = "/unsubscribe/"


@dataclass(frozen=True)
class Meant:
    """What a link means: mail to a person, by primary key, of these rules; without rules: of all alerts."""

    person: int
    organization: Organization
    rules: list[AlertRule]


def link(person: int, organization: int, rules: Collection[AlertRule] = ()) -> str:
    """The address by which a person, who need not be signed in, says so."""
    said = [person, organization, sorted(rule.pk for rule in rules)]
    return whole(f"{PATH}{signing.dumps(said, salt=SALT)}/")


def read(token: str) -> Meant | None:
    """What a link means; None: this site did not sign it, or the rules or the membership are no more."""
    try:
        person, organization, *named = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError):
        return None
    found = Membership.objects.filter(user=person, organization=organization).select_related("organization")
    membership = found.first()
    wanted = [pk for some in named for pk in some]
    rules = list(AlertRule.objects.filter(organization=organization, pk__in=wanted))
    if membership is None or (wanted and not rules):
        return None
    return Meant(person, membership.organization, rules)


@transaction.atomic
def unsubscribe(*, token: str, at: datetime) -> Meant | None:
    """Send this person no more mail of what the link means. None: the link is not one of ours."""
    meant = read(token)
    if meant is not None:
        about: Sequence[AlertRule | None] = meant.rules or [None]
        for rule in about:
            follows.write(meant.person, meant.organization, rule=rule, email=False, at=at)
    return meant
