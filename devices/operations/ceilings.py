"""How much there may be of what people and keys can add at will: far above what a site needs, but an end.

Registrations with a key are counted in the key's row, so that all processes count the same. The two numbers
of a key are settings; the others are fixed.
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

LISTS: Final = 50  # of devices, of an organization, that wait to be confirmed or done
SELECTIONS: Final = (
    1_000  # of an organization, that are kept (devices/operations/bulk_actions.py says how long)
)
SELECTED: Final = 20_000_000  # devices in all of them together
HOUR: Final = timedelta(hours=1)
SELECTING: Final = 0x73656C65  # the advisory lock of who adds a selection, with the organization's number


class Reached(Exception):
    """There is as much as there may be. The text says of what, how much, and what helps."""


class KeyPaused(Reached):
    """The key has registered as many devices as it may in an hour of the clock."""


class KeySpent(Reached):
    """The key has registered as many devices as it ever may."""


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def in_hour(key: ApiKey, at: datetime) -> int:
    """How many devices have registered with the key in the present hour."""
    return key.registered_in_hour if key.registered_hour == hour_of(at) else 0


def count_registration(key: ApiKey, at: datetime) -> bool:
    """Count a device that is about to register with this key, whose organization is held.

    False where the key was deleted meanwhile. Raises KeyPaused, KeySpent: let it undo the transaction.
    """
    hour = hour_of(at)
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"key": key.pk, "hour": hour})
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


# The first of another hour begins anew.
COUNT: Final = """
UPDATE devices_apikey SET
    registered = registered + 1,
    registered_in_hour = 1 + registered_in_hour * COALESCE((registered_hour = %(hour)s)::int, 0),
    registered_hour = %(hour)s
WHERE id = %(key)s RETURNING registered, registered_in_hour
"""


def require_room_for_list(organization: Organization) -> None:
    """Raises Reached. The organization is held."""
    waits = Q(job=None) | Q(job__state__in=[Job.State.WAITING, Job.State.RUNNING])
    if DeviceList.objects.filter(waits, organization=organization).count() >= LISTS:
        raise Reached(
            f"{LISTS} lists of devices wait in {organization}, the most that may. Wait until some are done:"
            " a list that nobody confirms is deleted after a day."
        )


def require_room_for_selection(organization: Organization) -> None:
    """Raises Reached. Until the end of the transaction nobody else selects in this organization."""
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
