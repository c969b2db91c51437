"""Ceilings: the most that people and keys can add, far above what a site needs.

Registrations with a key are counted in the key's row, for all processes together. The two ceilings of a key
are settings; the others are fixed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import connection
from django.db.models import Q, Sum

from devices.models import DeviceList, Job, Selection
from devices.words import thousands

if TYPE_CHECKING:
    from devices.models import ApiKey
    from fleets.models import Organization

LISTS: Final = 50  # lists of devices per organization that wait to be confirmed or applied
SELECTIONS: Final = 1_000  # selections per organization (how long they are kept: bulk_actions.py)
SELECTED: Final = 20_000_000  # devices in all selections of an organization
HOUR: Final = timedelta(hours=1)
SELECTING: Final = 0x73656C65  # the advisory lock for adding a selection, beside the organization's id


class Reached(Exception):
    """A ceiling is reached. The text says which, how high it is, and what helps."""


class KeyPaused(Reached):
    """The key has registered as many devices as it may in an hour of the clock."""


class KeySpent(Reached):
    """The key has registered as many devices as it ever may."""


def full_hour(at: datetime) -> datetime:
    """The beginning of the hour of the clock that `at` is in."""
    return at.replace(minute=0, second=0, microsecond=0)


def in_hour(key: ApiKey, at: datetime) -> int:
    """How many devices have registered with the key in the hour of the clock that `at` is in."""
    return key.registered_in_hour if key.registered_hour == full_hour(at) else 0


def count_registrations(key: ApiKey, number: int, at: datetime) -> bool:
    """Count so many registrations with this key; its organization is locked.

    False: the key was deleted meanwhile. Raises KeyPaused, KeySpent, which must roll back the transaction.
    """
    hour = full_hour(at)
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"key": key.pk, "hour": hour, "number": number})
        counted = cursor.fetchone()
    if counted is None:
        return False
    ever, in_hour = counted
    if ever > settings.REGISTRATIONS_PER_KEY:
        raise KeySpent(
            f"This key has registered {settings.REGISTRATIONS_PER_KEY} devices, which is the limit for one"
            " key. Create another provisioning key."
        )
    if in_hour > settings.REGISTRATIONS_PER_HOUR:
        raise KeyPaused(
            f"This key has registered {settings.REGISTRATIONS_PER_HOUR} devices in this hour, which is the"
            f" limit for one key. It can register more from {hour + HOUR:%H:%M} UTC."
        )
    return True


# The first registration of an hour begins the number of that hour anew.
COUNT: Final = """
UPDATE devices_apikey SET
    registered = registered + %(number)s,
    registered_in_hour = %(number)s + registered_in_hour * COALESCE((registered_hour = %(hour)s)::int, 0),
    registered_hour = %(hour)s
WHERE id = %(key)s RETURNING registered, registered_in_hour
"""


def require_room_for_list(organization: Organization) -> None:
    """Raises Reached where the organization, which is locked, may have no further list of devices."""
    waits = Q(job=None) | Q(job__state__in=[Job.State.WAITING, Job.State.RUNNING])
    if DeviceList.objects.filter(waits, organization=organization).count() >= LISTS:
        raise Reached(
            f"{LISTS} lists of devices wait in {organization}, the most that may. Wait until some are done:"
            " a list that nobody confirms is deleted after a day."
        )


def require_room_for_selection(organization: Organization) -> None:
    """Raises Reached where the organization may have no further selection.

    Until the end of the transaction no other selection of the organization can be added.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [SELECTING, organization.pk % 2**31])
    kept = Selection.objects.filter(organization=organization)
    if kept.count() < SELECTIONS and (kept.aggregate(sum=Sum("total"))["sum"] or 0) < SELECTED:
        return
    raise Reached(
        f"{organization} has {thousands(SELECTIONS)} selections of devices, or {thousands(SELECTED)} devices"
        " in them, which is the limit. Nothing was started. Selections are deleted a day after they "
        "were created or their action has ended."
    )
