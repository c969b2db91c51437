"""Targets, incidents and messages for tests of delivery, and a receiver that answers as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection

from devices.alerts import delivery, secrets
from devices.alerts.transports.envelope import Envelope, Outcome, Result
from devices.models import AlertMessage, AlertTarget, Incident
from fleets.models import Organization
from tests.factories import make_organization

T = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
MOMENT, SECOND = timedelta(milliseconds=100), timedelta(seconds=1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
REFUSED = Result(Outcome.REFUSED, "It answered 404: no such hook", 404)
BROKEN = Result(Outcome.FAILED, "It answered 500: oh", 500)
ACCEPTED, AWAY = Result(Outcome.ACCEPTED), Result(Outcome.FAILED, "It refused the connection.", away=True)
_numbers = count(1)
Kind = AlertMessage.Kind


def make_target(
    kind: str = "webhook",
    organization: Organization | None = None,
    hidden: dict[str, str] | None = None,
    **fields: Any,
) -> AlertTarget:
    target = AlertTarget(
        organization=organization or make_organization(),
        kind=kind,
        **{"name": f"target-{next(_numbers)}", "state_since": T} | fields,
    )
    secrets.write(target, hidden or {})
    target.save()
    return target


def state(target: AlertTarget) -> tuple[str, str]:
    """What is known of a target, and its last error."""
    target.refresh_from_db()
    return target.state, target.last_error


def make_incident(organization: Organization, **fields: Any) -> Incident:
    values = {"kind": 0, "key": "", "what": "heartbeat", "first": T, "last": T, "rank": 0, "now": 12}
    return Incident.objects.create(
        **{
            "organization": organization,
            "severity": "critical",
            "state": "firing",
            "opened_at": T,
            "tell_at": T,
        }
        | values
        | fields
    )


def snapshot(incident: Incident, number: int, **more: Any) -> dict[str, Any]:
    """A whole snapshot, as telling writes it, of an incident of 38 devices."""
    return {
        "incident": str(incident.uuid),
        "reason": "fired",
        "as_of": "2026-03-02T14:06:02Z",
        "severity": "critical",
        "rules": [{"name": "Lost together", "severity": "critical"}],
        "summary": "38 of 40 devices at 203.0.113.7 lost the VPN within 90 s",
        "cause": {"kind": "address", "key": "203.0.113.7", "what": "vpn", "first": "", "last": ""},
        "members": {"now": 38, "at_most": 38, "ever": 38, "by_status": {"offline": 5, "heartbeat-only": 33}},
        "forecast": None,
        "works_now": ["releases and settings at the next poll"],
        "check_first": ["firewall or proxy on TCP 443 to the VPN server"],
        "devices": [
            {
                "uuid": "f" * 32,
                "name": "pump-1",
                "status": "offline",
                "since": "2026-03-02T14:02:11Z",
                "url": f"/devices/{'f' * 32}/",
            }
        ],
        "more_devices": 37,
        "told_before": None,
        "acknowledged": None,
        "opened_at": "2026-03-02T14:05:00Z",
        "resolved_at": None,
        "url": f"/incidents/{incident.uuid}/",
        "runbook": "",
        "number": number,
        "rank": 0,
        "over": [],
    } | more


RESOLVED: dict[str, Any] = {
    "reason": "resolved",
    "resolved_at": "2026-03-02T14:31:00Z",
    "members": {"now": 0, "at_most": 38, "ever": 38, "by_status": {}},
}


def make_message(
    target: AlertTarget,
    incident: Incident | None = None,
    number: int = 1,
    kind: str = "first",
    at: datetime = T,
    **more: Any,
) -> AlertMessage:
    incident = incident or make_incident(target.organization)
    more = (RESOLVED if kind == Kind.RESOLVED else {}) | more
    return AlertMessage.objects.create(
        organization=target.organization,
        target=target,
        incident=incident,
        number=number,
        kind=kind,
        snapshot=snapshot(incident, number, **more),
        as_of=at,
        created_at=at,
        next_at=at,
    )


def outcome(message: AlertMessage) -> str:
    message.refresh_from_db()
    return message.outcome


@dataclass
class Receiver:
    """What a target does with what it is sent; and the clock, which it is a test's to set."""

    at: datetime = T
    answers: Iterator[Result] | Result = ACCEPTED
    sent: list[Envelope] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def send(self, envelope: Envelope) -> Result:
        self.sent.append(envelope)
        self.meanwhile()
        return self.answers if isinstance(self.answers, Result) else next(self.answers)

    def deliver(self, target: AlertTarget, at: datetime | None = None) -> datetime | None:
        self.at = at or self.at
        return delivery.deliver(target.pk, send=self.send, now=lambda: self.at)

    @property
    def subjects(self) -> Sequence[str]:
        return [envelope.text.subject for envelope in self.sent]


def tasks(name: str) -> list[dict[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = %s ORDER BY id", [name])
        return [json.loads(args) for (args,) in cursor.fetchall()]
