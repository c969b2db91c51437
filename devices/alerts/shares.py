"""A share of the devices has one of some statuses: a fact about no one device, whose id is 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial

from devices import clock
from devices.alerts import parameters
from devices.alerts.levels import NOT_HELD, covered
from devices.alerts.lifecycle import Fact, Reason, State, microseconds
from devices.listing.grouping import Lost
from devices.models import AlertRule, IncidentMember
from devices.rules.vocabulary import RANKS, Status
from devices.status.counts import count_by_status

NO_DEVICE = 0
WHAT = "share"
CALMER = 2  # points of a per cent below which it is over
TOLD = 0.8  # of the devices: where so many stand in open incidents, the share is told by these


def facts(rule: AlertRule, until: datetime) -> Iterator[Fact]:
    """Whether the share is reached at `until`, by the counters."""
    counts = count_by_status(covered(rule), clock.listened(until), among=[])
    member = IncidentMember.objects.filter(rule=rule, device_id=NO_DEVICE).exclude(state=State.GONE).first()
    fact = decided(rule, counts, member, partial(_in_incidents, rule), until)
    if fact:
        yield fact


def decided(
    rule: AlertRule,
    counts: Mapping[str, int],
    member: IncidentMember | None,
    in_incidents: Callable[[list[Status]], int],
    at: datetime,
) -> Fact | None:
    """What a look at these counts by status says; `member`: the one of the rule, if it holds the share.

    `in_incidents` tells how many devices of some statuses stand in open incidents.
    """
    there = _there(rule, counts)
    reached = is_reached(rule, counts, calmer=member is not None)
    waits = member is None or member.state == State.PENDING
    if reached and waits and in_incidents(there) >= TOLD * sum(counts[status] for status in there):
        return Fact(at, rule.pk, NO_DEVICE, None, Reason.CHANGED) if member else None
    if reached and (member is None or member.state == State.RECOVERING):
        return Fact(at, rule.pk, NO_DEVICE, _lost(there, at))
    return Fact(at, rule.pk, NO_DEVICE, None) if member and not reached else None


def is_reached(rule: AlertRule, counts: Mapping[str, int], *, calmer: bool) -> bool:
    """Whether the share and the number are; `calmer`: or so nearly that it is not over yet."""
    asked = parameters.read(rule.condition, rule.parameters)
    active = sum(number for status, number in counts.items() if status not in NOT_HELD)
    number = sum(counts[status] for status in _there(rule, counts))
    percent = asked.percent - (CALMER if calmer else 0)
    return bool(number >= asked.least and number * 100 >= percent * active)


def _there(rule: AlertRule, counts: Mapping[str, int]) -> list[Status]:
    """The statuses of the rule that any device has."""
    asked = parameters.read(rule.condition, rule.parameters)
    return [status for status in asked.statuses if counts.get(status)]


def _in_incidents(rule: AlertRule, statuses: list[Status]) -> int:
    """How many devices of these statuses stand in open incidents of the organization."""
    inside = IncidentMember.objects.filter(
        organization=rule.organization_id, state=State.FIRING, incident__isnull=False, status__in=statuses
    )
    return inside.values("device_id").distinct().count()


def _lost(statuses: list[Status], until: datetime) -> Lost:
    worst = min(statuses, key=RANKS.index)
    at = microseconds(until)
    return Lost(
        id=NO_DEVICE,
        uuid="",
        name="",
        fleet=0,
        status=worst,
        rank=RANKS.index(worst),
        since=at,
        what=WHAT,
        moment=at,
        lost_at=None,
        address=None,
        server=None,
        release="",
        tags="{}",
    )
