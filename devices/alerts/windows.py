"""Maintenance windows: planned, changed, ended early, cancelled; and which devices one covers at a moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from itertools import takewhile
from operator import or_
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr
from django.db import transaction
from django.db.models import Q

from devices import clock
from devices.alerts import looking, scopes
from devices.alerts.recurrence import LONGEST, Occurrence, current, occurrences
from devices.alerts.refusals import Invalid, TooMany
from devices.alerts.wall_time import placed
from devices.clock import Moment
from devices.listing.kept_list import KeptFilters
from devices.models import Device, MaintenanceWindow
from devices.rules.vocabulary import Status
from devices.status.reading import with_status
from fleets import audit
from fleets.access import locks, roles
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Person

WALL: Final = "%Y-%m-%dT%H:%M:%S"  # a wall time, as a window has it
MOST: Final = 200  # of an organization that are neither over nor cancelled
# By SQL, as Attention reads them each time: the ORM takes three times as long.
NOT_OVER: Final = """
SELECT * FROM devices_maintenancewindow
WHERE organization_id = ANY(%s) AND cancelled_at IS NULL AND (recurrence <> '' OR ends >= %s) ORDER BY id
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a window is to be. Times are wall times of `zone`, without one of their own."""

    title: str
    scope: KeptFilters
    starts: datetime
    ends: datetime
    zone: str
    recurrence: str = ""  # of devices.alerts.recurrence.rule
    note: str = ""


def version_of(window: MaintenanceWindow) -> str:
    """Names what the window is, so that a change can tell whether it was made up from it."""
    return version([_told(window), str(window.ended_at), str(window.cancelled_at)])


@transaction.atomic
def plan(
    *, organization: Organization, plan: Plan, actor: Person, at: datetime | None = None
) -> MaintenanceWindow:
    """Plan a window. Raises PermissionDenied, Invalid, TooMany."""
    at = at or clock.now()
    locks.hold([organization.pk])
    roles.require(actor, Role.OPERATOR, organization)
    coming = (next(occurrences(window, at), None) for window in _not_over([organization], at))
    if sum(occurrence is not None for occurrence in coming) >= MOST:
        raise TooMany
    window = MaintenanceWindow(
        organization=organization,
        by_id=actor.pk,
        by_name=actor.get_username(),
        created_at=at,
        **_values(plan),
    )
    window.save()
    _audit("window-planned", window, actor, at, after=_told(window))
    return window


@transaction.atomic
def change(
    *, window: MaintenanceWindow, plan: Plan, seen: str, actor: Person, at: datetime | None = None
) -> MaintenanceWindow:
    """Give it other values, made up from its version `seen`.

    Raises PermissionDenied, Invalid, ChangedMeanwhile, MaintenanceWindow.DoesNotExist.
    """
    now = _held(window, actor)
    if version_of(now) != seen:
        raise ChangedMeanwhile(now.title, now)
    before = _told(now)
    for name, value in _values(plan).items():
        setattr(now, name, value)
    if (after := _told(now)) != before:
        at = at or clock.now()
        now.save()
        looking.look_again(now.organization_id, at)
        _audit("window-changed", now, actor, at, before=before, after=after)
    return now


@transaction.atomic
def end(*, window: MaintenanceWindow, actor: Person, at: datetime | None = None) -> None:
    """End the occurrence that lasts now; without one, nothing changes. Raises PermissionDenied."""
    at, now = at or clock.now(), _held(window, actor)
    if current(now, at):
        now.ended_at = at
        now.save(update_fields=["ended_at"])
        looking.look_again(now.organization_id, at)
        _audit("window-ended", now, actor, at)


@transaction.atomic
def cancel(*, window: MaintenanceWindow, actor: Person, at: datetime | None = None) -> None:
    """Let it come no more; an occurrence that lasts ends now. Raises PermissionDenied."""
    at, now = at or clock.now(), _held(window, actor)
    if now.cancelled_at is None:
        now.cancelled_at = at
        now.save(update_fields=["cancelled_at"])
        looking.look_again(now.organization_id, at)
        _audit("window-cancelled", now, actor, at, before=_told(now))


def lasting(organization: Organization, at: datetime) -> list[tuple[MaintenanceWindow, Occurrence]]:
    """The windows of an organization that last at this moment, with the occurrence, the oldest first."""
    return lasting_in([organization], at)


def lasting_in(
    organizations: Collection[Organization], at: datetime
) -> list[tuple[MaintenanceWindow, Occurrence]]:
    """The windows of these organizations that last at this moment, in one query."""
    found = ((one, current(one, at)) for one in _not_over(organizations, at))
    return [(window, occurrence) for window, occurrence in found if occurrence]


def _not_over(organizations: Collection[Organization], at: datetime) -> Iterator[MaintenanceWindow]:
    """The windows of organizations that last, come or recur, and maybe some that are just over; in order."""
    past = (at - timedelta(days=2)).strftime(WALL)  # whatever the zone
    owners = {organization.pk: organization for organization in organizations}
    for window in MaintenanceWindow.objects.raw(NOT_OVER, [list(owners), past]):
        window.organization = owners[window.organization_id]
        yield window


def offline_in_maintenance(
    organizations: Collection[Organization], at: Moment, moved: Collection[int]
) -> int:
    """How many Offline devices windows cover now; `moved`: of devices.status.reading.moved_ids.

    One query where no window lasts.
    """
    covered = list[Q]()
    for window, _ in lasting_in(organizations, at.at):
        mine = Device.objects.filter(organization=window.organization)
        try:
            devices = scopes.covered(mine, window.scope, window.organization)
        except scopes.Broken:  # its page says so; what is gone covers nothing
            continue
        covered.append(Q(pk__in=devices.order_by().values("pk")))
    if not covered:
        return 0
    found = Device.objects.filter(reduce(or_, covered)).order_by()
    number = found.exclude(pk__in=moved).filter(recorded_status=Status.OFFLINE).count()
    if moved:
        number += with_status(found.filter(pk__in=moved), at).filter(status=Status.OFFLINE).count()
    return number


@dataclass(frozen=True)
class Cover:
    """The window that covers a device, and when its occurrence ends."""

    window: MaintenanceWindow
    occurrence: Occurrence


def in_maintenance(organization: Organization, devices: Collection[int], at: datetime) -> dict[int, Cover]:
    """Those of the devices, by primary key, that a window covers now; of several, the one that ends last."""
    covers: dict[int, Cover] = {}
    for window, occurrence in sorted(lasting(organization, at), key=lambda found: found[1].end):
        covers |= dict.fromkeys(_covered(window, organization, devices), Cover(window, occurrence))
    return covers


def lasted(device: Device, start: datetime, at: datetime) -> list[Cover]:
    """The occurrences between these moments of windows that cover the device as it is now, in order.

    One query, and up to two for each of the windows that are about some devices.
    """
    organization = device.organization
    planned = MaintenanceWindow.objects.filter(organization=organization).exclude(cancelled_at__lte=start)
    over = (start - timedelta(days=2)).strftime(WALL)
    found = list[Cover]()
    for window in planned.exclude(recurrence="", ends__lt=over).order_by("pk"):
        spans = list(takewhile(lambda one: one.start < at, occurrences(window, start)))
        if spans and (not window.scope or device.pk in _covered(window, organization, [device.pk])):
            found += [Cover(window, occurrence) for occurrence in spans]
    return sorted(found, key=lambda cover: cover.occurrence.start)


def _covered(
    window: MaintenanceWindow, organization: Organization, devices: Collection[int]
) -> Iterable[int]:
    mine = Device.objects.filter(organization=organization, pk__in=devices)
    try:
        return scopes.covered(mine, window.scope, organization).order_by().values_list("pk", flat=True)
    except scopes.Broken:  # its page says so; what is gone covers nothing
        return ()


def _held(window: MaintenanceWindow, actor: Person) -> MaintenanceWindow:
    """The window as it is, locked, for those who may change it."""
    locks.hold([window.organization_id])
    roles.require(actor, Role.OPERATOR, window.organization)
    return MaintenanceWindow.objects.select_for_update(no_key=True).get(pk=window.pk)


def _values(plan: Plan) -> dict[str, Any]:
    _check(plan)
    return {
        "title": plan.title,
        "scope": _stored(plan.scope),
        "starts": plan.starts.isoformat(timespec="seconds"),
        "ends": plan.ends.isoformat(timespec="seconds"),
        "zone": plan.zone,
        "recurrence": plan.recurrence,
        "note": plan.note,
    }


def _stored(scope: KeptFilters) -> dict[str, Any]:
    try:
        return scopes.stored(scope)
    except scopes.OfThePresent as error:
        raise Invalid("scope", "Choose devices by what does not change with their status.") from error


def _check(plan: Plan) -> None:
    try:
        zone = ZoneInfo(plan.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid("zone", "There is no time zone of this name.") from error
    if placed(plan.ends, zone) <= placed(plan.starts, zone):
        raise Invalid("ends", "Let it end after it starts.")
    if plan.ends - plan.starts > LONGEST:
        raise Invalid("ends", "Let it last at most 30 days.")
    if plan.recurrence:
        try:
            rrulestr(plan.recurrence, dtstart=plan.starts)
        except (ValueError, KeyError) as error:
            raise Invalid("recurrence", "This is no rule by which a window recurs.") from error


def _told(window: MaintenanceWindow) -> dict[str, Any]:
    """The window as the audit log tells it."""
    names = ("title", "scope", "starts", "ends", "zone", "recurrence", "note")
    return {name: getattr(window, name) for name in names}


def _audit(action: str, window: MaintenanceWindow, actor: Person, at: datetime, **facts: Any) -> None:
    subject = ("window", str(window.uuid), window.title)
    audit.record(action, actor=actor, organization=window.organization, subject=subject, at=at, **facts)
