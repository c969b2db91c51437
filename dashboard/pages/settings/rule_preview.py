"""How a message of a rule reads that has words of its own, by an incident of the past."""

from __future__ import annotations

from django.utils import timezone

from devices import clock
from devices.alerts import rendering, snapshot
from devices.alerts.rule_values import Wanted
from devices.alerts.text import Text
from devices.models import AlertMessage, AlertRule, Incident, IncidentMember


def reads(rule: AlertRule, wanted: Wanted) -> Text | None:
    """How a message about the newest incident of the rule reads in these words.

    None: it has none of its own, or there was no incident.
    """
    if not (wanted.subject or wanted.text):
        return None
    members = IncidentMember.objects.filter(rule=rule, incident__isnull=False).select_related("incident")
    newest = members.order_by("-due_at").first()
    if newest is None or newest.incident is None:
        return None
    return _message(newest.incident, rule, wanted)


def _message(incident: Incident, rule: AlertRule, wanted: Wanted) -> Text:
    at = clock.moment()
    then = AlertRule(
        uuid=rule.uuid,
        name=wanted.name,
        severity=wanted.severity,
        subject=wanted.subject,
        text=wanted.text,
        runbook=wanted.runbook,
    )
    over = incident.state == Incident.State.RESOLVED
    seen = snapshot.read([incident], at)[incident.pk]
    message = AlertMessage(
        incident=incident,
        kind=AlertMessage.Kind.RESOLVED if over else AlertMessage.Kind.FIRST,
        snapshot=snapshot.taken(incident, seen, at, reason="fired", rules=[then]),
        as_of=at.at,
    )
    return rendering.rendered(message, zone=timezone.get_current_timezone())
