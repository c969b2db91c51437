"""PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/events-api-v2-overview)."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import cut, json_request
from devices.models import AlertMessage

Kind = AlertMessage.Kind
FIELDS: Final = (
    Field("routing_key", "Integration key", secret=True),
    Field(
        "url",
        "Address of the Events API",
        "In the European region it is https://events.eu.pagerduty.com/v2/enqueue.",
        required=False,
        address=True,
        usual="https://events.pagerduty.com/v2/enqueue",
    ),
)
ACTIONS: Final = {Kind.RESOLVED: "resolve", Kind.ACKNOWLEDGED: "acknowledge"}


def request(envelope: Envelope) -> Request:
    """An event whose `dedup_key` is the incident's UUID, so all messages of an incident are one there."""
    message, text = envelope.message, envelope.text
    body: dict[str, Any] = {
        "routing_key": envelope.value("routing_key"),
        "event_action": ACTIONS.get(Kind(message.kind), "trigger"),
        "dedup_key": _key(message),
        "client": "Lookout",
        "client_url": text.url,
        "links": [{"href": text.url, "text": "Open in Lookout"}],
        "payload": {
            "summary": cut(text.subject, 1024),
            "source": settings.SITE_ADDRESS,
            "severity": text.severity,
            "timestamp": message.as_of.isoformat(),
            "custom_details": {"text": text.brief, "devices": list(text.devices)},
        },
    }
    return json_request(envelope.value("url", FIELDS[1].usual), body)


def _key(message: AlertMessage) -> str:
    """What is about no incident is one there for each reason, since nothing of ours resolves it."""
    about = message.snapshot.get("incident")
    return str(about or f"lookout-{message.organization.slug}-{message.snapshot['reason']}")
