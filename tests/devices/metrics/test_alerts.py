"""The metrics of alerts: incidents that are open, and what became of messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from devices import clock
from devices.metrics import alerts
from devices.models import AlertMessage, AlertRule, AlertTarget, Incident, IncidentMember
from fleets.models import Organization
from tests.devices.metrics.reading import Samples, flat, one
from tests.factories import make_organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization(slug="works")


def read() -> Samples:
    return flat(alerts.read(clock.moment()))


def make_incident(rule: AlertRule, at: datetime, **fields: Any) -> Incident:
    of_it = {"organization": rule.organization, "severity": rule.severity}
    times = {"first": at, "last": at, "opened_at": at, "tell_at": at}
    incident = Incident.objects.create(
        kind=0, what="both", rank=0, **(of_it | times | {"state": "firing"} | fields)
    )
    IncidentMember.objects.create(
        organization=rule.organization,
        rule=rule,
        incident=incident,
        device_id=incident.pk,
        state="firing",
        since=at,
        due_at=at,
        moment=at,
        rank=0,
        fleet_id=1,
    )
    return incident


def make_message(target: AlertTarget, at: datetime, outcome: str = "") -> None:
    AlertMessage.objects.create(
        organization=target.organization,
        target=target,
        number=0,
        kind="test",
        snapshot={},
        as_of=at,
        created_at=at,
        outcome=outcome,
        next_at=None if outcome else at,
    )


def test_open_incidents_are_counted_by_rule_and_state(organization: Organization) -> None:
    at = clock.now()
    rule, calm = (
        AlertRule.objects.create(
            organization=organization, name=name, severity="critical", condition="status", delay=0, hold=0
        )
        for name in ("Offline", "Calm")
    )
    make_incident(rule, at)
    make_incident(rule, at)
    make_incident(rule, at, acknowledged_at=at, acknowledged_until=at + timedelta(hours=1))
    make_incident(rule, at, acknowledged_at=at, acknowledged_until=at - timedelta(hours=1))
    make_incident(rule, at, state="resolved", resolved_at=at)
    make_incident(calm, at, state="gathering", severity="warning")
    found = read()

    def number(rule: str, state: str, severity: str = "critical") -> float:
        labels = {"organization": "works", "rule": rule, "severity": severity, "state": state}
        return one(found, "lookout_incidents", **labels)

    assert (number("Offline", "firing"), number("Offline", "acknowledged")) == (3, 1)
    assert (number("Calm", "gathering", "warning"), number("Calm", "firing")) == (1, 0)


def test_messages_are_counted_by_kind_of_target_and_outcome(organization: Organization) -> None:
    at = clock.now()
    first, second = (
        AlertTarget.objects.create(organization=organization, kind="email", name=f"{name}@example.com")
        for name in ("anna", "ben")
    )
    for target, age, outcome in (
        (first, timedelta(minutes=20), ""),
        (second, timedelta(minutes=40), ""),
        (first, timedelta(hours=2), "accepted"),
        (second, timedelta(hours=2), "accepted"),
        (second, timedelta(hours=2), "dead"),
        (first, timedelta(days=2), "dead"),  # long ago
        (first, timedelta(days=2), ""),
    ):
        make_message(target, at - age, outcome)

    def number(outcome: str) -> float:
        return one(read(), "lookout_messages", organization="works", target="email", outcome=outcome)

    def waits() -> float:
        return one(read(), "lookout_message_oldest_unsent_seconds", organization="works", target="email")

    assert [number(outcome) for outcome in ("unsent", "accepted", "dead", "refused")] == [3, 2, 1, 0]
    assert waits() == pytest.approx(2 * 86400, abs=100)
    AlertTarget.objects.filter(pk=first.pk).update(state="paused")  # it takes none
    assert waits() == pytest.approx(2400, abs=100)
    AlertTarget.objects.filter(pk=second.pk).update(enabled=False)
    assert waits() == 0
    assert "anna" not in str(read())
