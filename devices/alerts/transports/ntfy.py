"""ntfy: a JSON message to a topic of a server (https://docs.ntfy.sh/publish/#publish-as-json)."""

from __future__ import annotations

from typing import Final

from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import cut, json_request
from devices.models import Severity

FIELDS: Final = (
    Field("url", "Server", required=False, address=True, usual="https://ntfy.sh"),
    Field("topic", "Topic"),
    Field("token", "Access token", "Where the topic is protected.", secret=True, required=False),
)
PRIORITIES: Final = {Severity.CRITICAL: 5, Severity.WARNING: 4, Severity.INFO: 3}
LONGEST: Final = 3500  # characters: of more than 4,096 bytes ntfy makes a file


def request(envelope: Envelope) -> Request:
    """Title, text, priority by severity, and the address that a click opens."""
    text = envelope.text
    body = {
        "topic": envelope.value("topic"),
        "title": cut(text.subject, 250),
        "message": cut(text.brief, LONGEST),
        "priority": 3 if text.over else PRIORITIES[Severity(text.severity)],
        "click": text.url,
    }
    token = envelope.value("token")
    server = envelope.value("url", FIELDS[0].usual)
    return json_request(server, body, {"Authorization": f"Bearer {token}"} if token else None)
