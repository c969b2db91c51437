"""The metrics of alerts: open incidents, and what became of their messages.

A target is told apart by its kind alone, as its name may be the address of a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from prometheus_client.core import GaugeMetricFamily

from devices.clock import Moment
from devices.models import AlertMessage, AlertRule, Incident

LATELY: Final = timedelta(days=1)
UNSENT: Final = "unsent"
OUTCOMES: Final = (UNSENT, *AlertMessage.Outcome.values)

# Open incidents by the rule that holds their first device: all members of a large incident are too many.
INCIDENTS: Final = """
SELECT organization.slug, COALESCE(rule.name, ''), incident.severity,
       CASE WHEN incident.acknowledged_at IS NOT NULL
             AND COALESCE(incident.acknowledged_until > %(at)s, true)
            THEN 'acknowledged' ELSE incident.state END, count(*)
FROM devices_incident incident JOIN fleets_organization organization ON organization.id = organization_id
LEFT JOIN LATERAL (
    SELECT rule_id FROM devices_incidentmember
    WHERE incident_id = incident.id ORDER BY state, id LIMIT 1
) AS first ON true
LEFT JOIN devices_alertrule rule ON rule.id = first.rule_id
WHERE incident.state <> 'resolved' GROUP BY 1, 2, 3, 4
"""
# Of each target: messages that are to be sent, and those of the last day by outcome.
MESSAGES: Final = """
SELECT organization.slug, target.kind, found.outcome, sum(found.number), min(found.waits)
FROM devices_alerttarget target JOIN fleets_organization organization ON organization.id = organization_id,
LATERAL (
    SELECT 'unsent' AS outcome, count(*) AS number,
           min(created_at) FILTER (WHERE target.enabled AND target.state <> 'paused') AS waits
    FROM devices_alertmessage WHERE target_id = target.id AND outcome = ''
    UNION ALL
    SELECT outcome, count(*), NULL FROM devices_alertmessage
    WHERE target_id = target.id AND created_at > %(since)s AND outcome <> '' GROUP BY outcome
) AS found
GROUP BY 1, 2, 3
"""


def read(at: Moment) -> Iterator[GaugeMetricFamily]:
    """The metrics of alerts at `at`. Three queries."""
    yield _incidents(at)
    yield from _messages(at)


def _incidents(at: Moment) -> GaugeMetricFamily:
    found = GaugeMetricFamily(
        "lookout_incidents",
        "Incidents that are open, by the rule that holds their first device.",
        labels=["organization", "rule", "severity", "state"],
    )
    rules = AlertRule.objects.filter(enabled=True).order_by("pk")
    number = Counter(
        {
            (organization, name, severity, Incident.State.FIRING.value): 0
            for organization, name, severity in rules.values_list("organization__slug", "name", "severity")
        }
    )
    for *labels, count in _rows(INCIDENTS, at=at.at):
        number[tuple(labels)] = count
    for key, count in number.items():
        found.add_metric([*key], count)
    return found


def _messages(at: Moment) -> Iterator[GaugeMetricFamily]:
    number = Counter[tuple[str, str, str]]()
    waits: dict[tuple[str, str], datetime | None] = {}
    for organization, kind, outcome, count, since in _rows(MESSAGES, since=at.at - LATELY):
        number[organization, kind, outcome] = count
        if outcome == UNSENT:
            waits[organization, kind] = since
    messages = GaugeMetricFamily(
        "lookout_messages",
        "Messages of alerts that are to be sent, and those of the last 24 hours by outcome.",
        labels=["organization", "target", "outcome"],
    )
    oldest = GaugeMetricFamily(
        "lookout_message_oldest_unsent_seconds",
        "Seconds that the oldest message waits for a target that takes messages.",
        labels=["organization", "target"],
    )
    for (organization, kind), since in waits.items():
        for outcome in OUTCOMES:
            messages.add_metric([organization, kind, outcome], number[organization, kind, outcome])
        oldest.add_metric([organization, kind], (at.at - since).total_seconds() if since else 0)
    yield from (messages, oldest)


def _rows(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
