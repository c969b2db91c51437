"""What fires is posted to an Alertmanager again and again: it keeps no alert when it starts again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from devices.models import AlertMessage, AlertTarget, Incident, Told

EACH: Final = timedelta(minutes=2)
AFTER_FAILURE: Final = timedelta(seconds=30)


def messages(target: AlertTarget) -> list[AlertMessage]:
    """Of each incident that the target knows and that is open, the last message that it accepted."""
    if target.kind != AlertTarget.Kind.ALERTMANAGER:
        return []
    known = Told.objects.filter(target=target).exclude(state=Told.State.RESOLVED)
    numbers = dict(known.exclude(incident__state=Incident.State.RESOLVED).values_list("incident", "number"))
    last = AlertMessage.objects.filter(target=target, incident__in=numbers)
    return [message for message in last if message.number == numbers.get(message.incident_id or 0)]


def next_at(target: AlertTarget) -> datetime | None:
    """When to post them again; None: nothing fires, or it is no Alertmanager."""
    if target.accepted_at is None or not messages(target):
        return None
    return target.accepted_at + EACH
