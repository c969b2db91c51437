"""A share of the devices has one of some statuses: a fact about no one device, whose id is 0."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

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
    asked = parameters.read(rule.condition, rule.parameters)
    counts = count_by_status(covered(rule), clock.listened(until), among=[])
    active = sum(number for status, number in counts.items() if status not in NOT_HELD)
    there = [status for status in asked.statuses if counts.get(status)]
    number = sum(counts[status] for status in there)
    member = IncidentMember.objects.filter(rule=rule, device_id=NO_DEVICE).exclude(state=State.GONE).first()
    percent = asked.percent - (CALMER if member else 0)
    reached = number >= asked.least and number * 100 >= percent * active
    waits = member is None or member.state == State.PENDING
    if reached and waits and _in_incidents(rule, there) >= TOLD * number:
        if member:
            yield Fact(until, rule.pk, NO_DEVICE, None, Reason.CHANGED)
    elif reached and (member is None or member.state == State.RECOVERING):
        yield Fact(until, rule.pk, NO_DEVICE, _lost(there, until))
    elif member and not reached:
        yield Fact(until, rule.pk, NO_DEVICE, None)


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
