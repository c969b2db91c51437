"""Messages that are about no one incident: what a storm holds back, and what was missed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from devices.alerts import handing
from devices.alerts.decision import APART
from devices.clock import Moment
from devices.models import AlertMessage, AlertRule, AlertTarget, Held

STORM: Final = Held.Reason.STORM


def of_storm(targets: Collection[AlertTarget], at: Moment) -> list[AlertMessage]:
    """One message to each of these targets about all that the storm holds, every five minutes at most."""
    sent = AlertMessage.objects.filter(target__in=targets, kind=AlertMessage.Kind.NOTICE)
    lately = sent.filter(snapshot__reason="storm", created_at__gt=at.at - APART)
    told_lately = set(lately.values_list("target", flat=True))
    notices = []
    for target in sorted(targets, key=lambda one: one.pk):
        if target.pk not in told_lately:
            held = Held.objects.filter(target=target, reason=STORM).count()
            notices.append(notice(target, at, reason="storm", incidents=held))
    AlertMessage.objects.bulk_create(notices)
    return notices


def notice(target: AlertTarget, at: Moment, *, reason: str, **facts: Any) -> AlertMessage:
    """A message that is about no one incident, not yet written. `facts`: what its text names."""
    return AlertMessage(
        organization_id=target.organization_id,
        target=target,
        number=0,
        kind=AlertMessage.Kind.NOTICE,
        snapshot={"reason": reason, "as_of": at.at.isoformat(timespec="seconds"), "url": "/incidents/"}
        | facts,
        as_of=at.at,
        created_at=at.at,
        next_at=at.at,
    )


def tell_missed(organization: int, *, incidents: int, began: datetime, ended: datetime, at: Moment) -> None:
    """Tell each target once that so many incidents began and ended while alerting was away."""
    rules = AlertRule.objects.filter(organization=organization, enabled=True)
    targets = AlertTarget.objects.filter(steps__rule__in=rules, enabled=True).distinct()
    span = {"began": began.isoformat(timespec="seconds"), "ended": ended.isoformat(timespec="seconds")}
    notices = [notice(target, at, reason="missed", incidents=incidents, **span) for target in targets]
    AlertMessage.objects.bulk_create(notices)
    handing.hand_over(notices, at.at)
