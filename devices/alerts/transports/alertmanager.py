"""Prometheus Alertmanager's API v2, `POST /api/v2/alerts`, for sites that have their routing there."""

from __future__ import annotations

from datetime import datetime, timedelta
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
FIRES_FOR: Final = timedelta(hours=1)  # where we cannot post it again
A_WHILE: Final = timedelta(minutes=5)  # of a test or a notice


def request(envelope: Envelope) -> Request:
    """An alert for each of the messages. `endsAt` is its end, or lies ahead, so none ends by itself soon."""
    token = envelope.value("token")
    return json_request(
        f"{envelope.value('url').rstrip('/')}/api/v2/alerts",
        [_alert(message, envelope.target.organization.slug, envelope.at) for message in envelope.messages],
        {"Authorization": f"Bearer {token}"} if token else None,
    )


def _alert(message: AlertMessage, organization: str, at: datetime) -> dict[str, Any]:
    """Its labels are its identity: with another severity it is another alert."""
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
    lasts = FIRES_FOR if message.incident_id else A_WHILE
    alert["endsAt"] = snapshot.get("resolved_at") or (at + lasts).isoformat()
    return alert
