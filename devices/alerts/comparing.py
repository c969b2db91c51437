"""Members against devices: whatever was not signalled, or was lost, is found and becomes facts of the round.

For conditions that reports and the clock change it is how a round learns of them at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet
from msgspec.structs import replace

from devices import clock
from devices.alerts import levels
from devices.alerts.changes import NO_MORE
from devices.alerts.lifecycle import Away, Fact, Reason, State, microseconds
from devices.alerts.scopes import Asked
from devices.listing.grouping import Lost
from devices.listing.trouble import lost_of
from devices.models import AlertRule, Condition, Device, IncidentMember
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import as_recorded
from fleets.postgres.expressions import among

AT_ONCE: Final = (*NO_MORE.values(), Reason.MOVED)
WHAT: Final = {
    Condition.FLAPPING: "changes",
    Condition.SILENT: "contact",
    Condition.NEVER_CAME: "arrival",
    Condition.VITALS: "vitals",
}


def facts(rule: AlertRule, until: datetime, away: Callable[[], Away]) -> Iterator[Fact]:
    """What makes members of the rule of the devices that satisfy it at `until`, and of no others.

    `away` reads when nobody looked; it is asked only where a device becomes a member.
    """
    if rule.enabled and rule.condition not in levels.CONDITIONS:
        return
    if not rule.enabled:
        for member in held(rule):
            yield Fact(until, rule.pk, member.device_id, None, Reason.CHANGED)
        return
    satisfying = levels.satisfying(rule, until)
    yield from _new(rule, satisfying, until, away)
    yield from _over(rule, satisfying, until)


def held(rule: AlertRule) -> QuerySet[IncidentMember]:
    """The members of a rule that are not gone."""
    return IncidentMember.objects.filter(rule=rule).exclude(state=State.GONE)


def _new(
    rule: AlertRule, satisfying: QuerySet[DeviceWithStatus], until: datetime, away: Callable[[], Away]
) -> Iterator[Fact]:
    """Of devices that satisfy it and are no members, or recover from it. One query where there are none."""
    ids = _without(satisfying, "pk", held(rule).exclude(state=State.RECOVERING), "device_id")
    if not ids:
        return
    new = satisfying.filter(among("pk", ids))
    found = {device.pk: device for device in new.select_related("mirrored")}
    lost = {item.id: item for item in lost_of(new)}
    for pk, device in found.items():
        since = levels.since(rule, device, away().reading(_source(device)))
        if since <= until and pk in lost:
            yield Fact(since, rule.pk, pk, as_lost(rule, lost[pk], since))


def _without(rows: QuerySet[Any], name: str, others: QuerySet[Any], other: str) -> list[int]:
    """The values of a column of `rows` that the other column of `others` does not have.

    EXCEPT reads both once, whatever the planner believes. In a large outage it still believes that a rule has
    few members, and an anti-join then takes minutes.
    """
    those = others.order_by().values_list(other, flat=True)
    return list(rows.order_by().values_list(name, flat=True).difference(those))


def _source(device: DeviceWithStatus) -> int | None:
    """The source that alone tells of it, by primary key; None: it reports here."""
    row = getattr(device, "mirrored", None)
    return row.source_id if row and not device.last_poll else None


def as_lost(rule: AlertRule, lost: Lost, since: datetime) -> Lost:
    """What a rule says that a device has lost, where it is not what its status says."""
    what = WHAT.get(Condition(rule.condition))
    return replace(lost, what=what, moment=microseconds(since)) if what else lost


def _over(rule: AlertRule, satisfying: QuerySet[DeviceWithStatus], until: datetime) -> Iterator[Fact]:
    """Of members that do not satisfy it; of those that recover already, only what lets them go at once.

    One query where there are no members.
    """
    there = held(rule)
    if not there.exists():
        return
    if rule.condition == Condition.TOGETHER:
        satisfying = levels.of_status(rule, levels.covered(rule), until)
    if rule.condition == Condition.VITALS:
        satisfying = levels.nearly_critical(rule, until)
    ids = _without(there, "device_id", satisfying, "pk")
    now = as_recorded(Device.objects.filter(among("pk", ids)), clock.listened(until)) if ids else ()
    devices = {device.pk: device for device in now}
    within = Asked(rule.organization_id, ids).within(rule) if ids else set()
    for member in there.filter(among("device_id", ids)):
        fact = _end(rule, member, devices.get(member.device_id), within, until)
        if member.state != State.RECOVERING or fact.reason in AT_ONCE:
            yield fact


def _end(
    rule: AlertRule,
    member: IncidentMember,
    device: DeviceWithStatus | None,
    within: set[int] | None,
    until: datetime,
) -> Fact:
    at, reason = until, str(Reason.CHANGED)
    if device is None:
        reason = Reason.DELETED
    elif within is not None and device.pk not in within:
        reason = Reason.MOVED if device.fleet_id != member.fleet_id else Reason.CHANGED
    elif device.status in NO_MORE and device.status_since >= member.since:
        at, reason = device.status_since, NO_MORE[device.status]
    elif (ended := levels.ended(rule, device)) > member.since:
        at, reason = ended, Reason.RECOVERED
    return Fact(min(at, until), rule.pk, member.device_id, None, reason)
