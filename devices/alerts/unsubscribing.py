"""That a person wants no mail of an organization's alerts, said by a link in such a mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.core import signing
from django.db import transaction

from devices.alerts import rendering
from devices.models import Follow
from fleets.models import Membership, Organization

SALT: Final = "lookout.alerts.unsubscribe"
PATH: Final = "/unsubscribe/"


def link(person: int, organization: int) -> str:
    """The address by which a person, who need not be signed in, says so."""
    return rendering.whole(f"{PATH}{signing.dumps([person, organization], salt=SALT)}/")


def read(token: str) -> tuple[int, Organization] | None:
    """The person, by primary key, and the organization that a link means; None: this site did not sign it."""
    try:
        person, organization = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError):
        return None
    found = Membership.objects.filter(user=person, organization=organization).select_related("organization")
    return next(((person, membership.organization) for membership in found), None)


@transaction.atomic
def unsubscribe(*, token: str, at: datetime) -> Organization | None:
    """Send this person no more mail of these alerts. None: the link is not one of ours."""
    meant = read(token)
    if meant is None:
        return None
    person, organization = meant
    Follow.objects.update_or_create(**_general(person, organization.pk), defaults={"email": False})
    return organization


def wants_no_mail(person: int, organization: int) -> bool:
    """Whether this person takes no mail of this organization's alerts at all."""
    return Follow.objects.filter(**_general(person, organization), email=False).exists()


def _general(person: int, organization: int) -> dict[str, Any]:
    return {"person_id": person, "organization_id": organization, "rule": None, "view": None, "severity": ""}
