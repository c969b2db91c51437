"""Which devices satisfy a rule now, whatever was signalled, and since when.

Read of the recorded columns, which the round has settled. Of conditions that only reports or the clock change
nothing else tells.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import BooleanField, Q, QuerySet, Value

from devices import clock
from devices.alerts import parameters, scopes
from devices.alerts.changes import statuses_of
from devices.alerts.lifecycle import Away
from devices.models import AlertRule, Condition, Device
from devices.rules.metrics import WARN_SHARE, WARN_TEMPERATURE
from devices.rules.vocabulary import PROGRESSING, STALLED_AFTER, HeartbeatState, Status
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import as_recorded, stalled
from fleets.postgres.expressions import Sql

# Of a source that alone tells of a device: it does not say when that was in contact, but whether it is.
IN_CONTACT: Final = Q(mirrored__isnull=False, poll__isnull=True) & (
    Q(vpn_connected=True) | Q(heartbeat_state__in=[HeartbeatState.RECENT, HeartbeatState.LATE])
)
NOT_HELD: Final = (Status.INACTIVE, Status.FROZEN)
CALMER: Final = 5  # per cent or degrees below which a mark is no longer critical
# As paths of JSON; what is impossible (devices/rules/metrics.py) is not critical.
PART: Final = "$.{used} >= $.{total} * {{share}} && $.{used} <= $.{total} && $.{total} > 0"
MARKS: Final = {
    "memory": PART.format(used="memory_used", total="memory_total"),
    "disk": PART.format(used="storage_used", total="storage_total"),
    "temperature": "$.temperature >= {degrees} && $.temperature <= 150",
    "undervoltage": "$.undervolted == true",
}


def covered(rule: AlertRule) -> QuerySet[Device]:
    """The devices that a rule is about; none where its scope cannot be read."""
    devices = Device.objects.filter(organization=rule.organization_id).order_by()
    try:
        return scopes.covered(devices, rule.scope, rule.organization) if rule.scope else devices
    except scopes.Broken:
        return devices.none()


def satisfying(rule: AlertRule, until: datetime) -> QuerySet[DeviceWithStatus]:
    """The devices that satisfy a rule at `until`, annotated as by with_status."""
    return CONDITIONS[Condition(rule.condition)](rule, covered(rule), until)


def of_status(rule: AlertRule, devices: QuerySet[Device], until: datetime) -> QuerySet[DeviceWithStatus]:
    """Those of `devices` that have one of the statuses of a rule."""
    found = devices.filter(recorded_status__in=statuses_of(rule), recorded_since__lte=until)
    return as_recorded(found, clock.listened(until))


def _together(rule: AlertRule, devices: QuerySet[Device], until: datetime) -> QuerySet[DeviceWithStatus]:
    """Those that are not due yet: what was lost with them may still be found."""
    return of_status(rule, devices, until).filter(recorded_since__gt=until - timedelta(seconds=rule.delay))


def _stalled(rule: AlertRule, devices: QuerySet[Device], until: datetime) -> QuerySet[DeviceWithStatus]:
    return stalled(devices, clock.listened(until))


def _silent(rule: AlertRule, devices: QuerySet[Device], until: datetime) -> QuerySet[DeviceWithStatus]:
    long_ago = until - longer_than(rule)
    found = as_recorded(devices.exclude(recorded_status__in=NOT_HELD), clock.listened(until))
    return found.filter(last_contact__lte=long_ago).exclude(IN_CONTACT)


def _never_came(rule: AlertRule, devices: QuerySet[Device], until: datetime) -> QuerySet[DeviceWithStatus]:
    expected = devices.filter(first_contact_at=None, deactivated_at=None, frozen_reason="")
    expected = expected.filter(created_at__lte=until - longer_than(rule))
    return as_recorded(expected, clock.listened(until))


def _vitals(rule: AlertRule, devices: QuerySet[Device], until: datetime) -> QuerySet[DeviceWithStatus]:
    return _measured(devices, critical(rule), until)


def nearly_critical(rule: AlertRule, until: datetime) -> QuerySet[DeviceWithStatus]:
    """The devices of which a rule by vitals does not say yet that they have recovered."""
    return _measured(covered(rule), critical(rule, calmer=CALMER), until)


def _measured(devices: QuerySet[Device], wanted: Q, until: datetime) -> QuerySet[DeviceWithStatus]:
    active = devices.exclude(recorded_status__in=NOT_HELD).filter(metrics_at__isnull=False)
    return as_recorded(active.filter(wanted), clock.listened(until))


def critical(rule: AlertRule, *, calmer: int = 0) -> Q:
    """Whether a mark of a rule is critical, or by so many per cent or degrees below it."""
    wanted = Q()
    for mark in parameters.read(rule.condition, rule.parameters).marks:
        path = MARKS[mark].format(share=(WARN_SHARE - calmer) / 100, degrees=WARN_TEMPERATURE - calmer)
        wanted |= Q(Sql("COALESCE({metrics} @@ {path}::jsonpath, false)", BooleanField(), path=Value(path)))
    return wanted


def longer_than(rule: AlertRule) -> timedelta:
    """How long a device may be without contact, or registered and not come."""
    return timedelta(seconds=parameters.read(rule.condition, rule.parameters).seconds)


CONDITIONS: Final[dict[Condition, Callable[[AlertRule, QuerySet[Device], datetime], QuerySet[Any]]]] = {
    Condition.STATUS: of_status,
    Condition.TOGETHER: _together,
    Condition.STALLED: _stalled,
    Condition.SILENT: _silent,
    Condition.NEVER_CAME: _never_came,
    Condition.VITALS: _vitals,
}


def since(rule: AlertRule, device: DeviceWithStatus, away: Away) -> datetime:
    """Since when a device that satisfies a rule does; what lasts for a time counts observed time alone."""
    condition = Condition(rule.condition)
    if condition == Condition.STALLED:
        return away.observed(device.progress_changed_at or device.status_since, STALLED_AFTER)
    if condition == Condition.SILENT:
        return reached(rule, device.last_contact or device.created_at, away)
    if condition == Condition.NEVER_CAME:
        return reached(rule, device.created_at, away)
    if condition == Condition.VITALS:
        return device.metrics_at or device.status_since
    return device.status_since


def reached(rule: AlertRule, counted_from: datetime, away: Away) -> datetime:
    """When a device has been without contact since then for longer than a rule says: in observed time."""
    return away.observed(counted_from, longer_than(rule))


def ended(rule: AlertRule, device: DeviceWithStatus) -> datetime:
    """Since when a device that satisfied a rule no longer does."""
    condition = Condition(rule.condition)
    if condition == Condition.STALLED and device.status in PROGRESSING:
        return device.progress_changed_at or device.status_since
    if condition == Condition.SILENT:
        return device.last_contact or device.status_since
    if condition == Condition.NEVER_CAME:
        return device.first_contact_at or device.status_since
    if condition == Condition.VITALS:
        return device.metrics_at or device.status_since
    return device.status_since
