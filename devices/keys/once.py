"""Creating a key by a form only once, even if the form is sent twice at the same moment.

The form names the newest key that it was shown with. That is compared under the organization's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction

from fleets.access import locks
from fleets.meanwhile import ChangedMeanwhile

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from devices.models import ApiKey
    from fleets.models import Organization


def newest(keys: QuerySet[ApiKey]) -> str:
    """The fingerprint of the newest of these keys, live or not; empty where there is none."""
    key = keys.order_by("-pk").first()
    return key.fingerprint if key else ""


@transaction.atomic
def create(*, organization: Organization, keys: QuerySet[ApiKey], seen: str, make: Callable[[], str]) -> str:
    """The key that `make` creates, if the newest of `keys` still has the fingerprint `seen` (empty: none).

    Raises ChangedMeanwhile, and what `make` raises.
    """
    locks.hold([organization.pk])
    if seen != newest(keys):
        raise ChangedMeanwhile("The newest key")
    return make()
