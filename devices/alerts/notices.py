"""Messages that are about no one incident: what a storm holds back, and what was missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from devices.alerts import handing, holds
from devices.alerts.decision import APART
from devices.alerts.own_steps import TellingStep
from devices.alerts.telling_cases import cases_of, steps_of
from devices.clock import Moment
from devices.models import AlertMessage, AlertTarget, Held, Incident

STORM: Final = Held.Reason.STORM


def of_storm(targets: Collection[AlertTarget], at: Moment) -> list[AlertMessage]:
    """One message to each of these targets about all that the storm holds, every five minutes at most."""
    sent = AlertMessage.objects.filter(target__in=targets, kind=AlertMessage.Kind.NOTICE)
    lately = sent.filter(snapshot__reason="storm", created_at__gt=at.at - APART)
    told_lately = set(lately.values_list("target", flat=True))
    notices = []
    for target in sorted(targets, key=lambda one: one.pk):
        if target.pk not in told_lately:
            held = Held.objects.filter(target=target, reason=STORM)
            of_this_one = ~Q(incident__state=Incident.State.RESOLVED) | Q(since__gt=at.at - holds.STORM_SPAN)
            notices.append(notice(target, at, reason="storm", incidents=held.filter(of_this_one).count()))
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


def tell_missed(incidents: Collection[Incident], since: datetime, at: Moment) -> None:
    """Tell each target once how many of these incidents it missed: they began and ended after `since`.

    Of each incident those targets are told that would have been told of it, unless something holds it now.
    """
    if not incidents:
        return
    said = {"began": since.isoformat(timespec="seconds"), "ended": at.at.isoformat(timespec="seconds")}
    said["url"] = "/incidents/?state=over"
    notices = [
        notice(target, at, reason="missed", incidents=number, **said)
        for target, number in sorted(_missed(incidents, at).items(), key=lambda each: each[0].pk)
    ]
    AlertMessage.objects.bulk_create(notices)
    handing.hand_over(notices, at.at)


def _missed(incidents: Collection[Incident], at: Moment) -> Counter[AlertTarget]:
    """How many of these incidents each target would have been told of, and nothing holds."""
    found = list(Incident.objects.filter(pk__in=[one.pk for one in incidents]).select_related("organization"))
    steps = steps_of(cases := cases_of(found), at.at)
    held, number = holds.read(found, {step.target for step in steps}, at), Counter[AlertTarget]()
    for case in cases:
        of_rules = {rule.pk for rule in case.rules}
        came = [step for step in steps if step.rule_id in of_rules and _came(step, case.incident)]
        for target in {step.target for step in came}:
            if held.of(case.incident, target, case.naming(target, came)) is None:
                number[target] += 1
    return number


def _came(step: TellingStep, incident: Incident) -> bool:
    """Whether an incident that is over lasted until this step."""
    lasted = (incident.resolved_at or incident.opened_at) - incident.opened_at
    return timedelta(seconds=step.after) <= lasted
