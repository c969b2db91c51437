"""Prometheus Alertmanager's API v2, `POST /api/v2/alerts`, for sites that have their routing there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from devices.alerts import rendering
from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import json_request
from devices.models import AlertMessage

FIELDS: Final = (
    Field("url", "Server", "Its address without /api/v2/alerts.", address=True),
    Field("token", "Bearer token", "Where a proxy in front asks for one.", secret=True, required=False),
)


def request(envelope: Envelope) -> Request:
    """The alerts of these messages; an end is told by `endsAt`, so Alertmanager waits for no timeout."""
    token = envelope.value("token")
    return json_request(
        f"{envelope.value('url').rstrip('/')}/api/v2/alerts",
        alerts(envelope.messages, envelope.target.organization.slug),
        {"Authorization": f"Bearer {token}"} if token else None,
    )


def alerts(messages: Sequence[AlertMessage], organization: str) -> list[dict[str, Any]]:
    """One alert for each message. Its labels are its identity: with another severity it is another alert."""
    return [_alert(message, organization) for message in messages]


def _alert(message: AlertMessage, organization: str) -> dict[str, Any]:
    snapshot, text = message.snapshot, rendering.rendered(message)
    labels = {
        "alertname": "Lookout",
        "organization": organization,
        "incident": snapshot.get("incident", str(message.uuid)),
        "rule": next((rule["name"] for rule in snapshot.get("rules", ())), ""),
        "severity": text.severity,
        "cause": snapshot.get("cause", {}).get("kind", ""),
    }
    alert: dict[str, Any] = {
        "labels": labels,
        "annotations": {"summary": text.subject, "description": text.brief},
        "startsAt": snapshot.get("opened_at") or message.as_of.isoformat(),
        "generatorURL": text.url,
    }
    if snapshot.get("resolved_at"):
        alert["endsAt"] = snapshot["resolved_at"]
    return alert
