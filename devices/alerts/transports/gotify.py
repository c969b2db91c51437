"""Gotify: a message of an application (https://gotify.net/api-docs, POST /message)."""

from __future__ import annotations

from typing import Final

from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import json_request
from devices.models import Severity

FIELDS: Final = (
    Field("url", "Server", address=True),
    Field("token", "Token of the application", secret=True),
)
PRIORITIES: Final = {Severity.CRITICAL: 8, Severity.WARNING: 5, Severity.INFO: 3}


def request(envelope: Envelope) -> Request:
    """Title, text, priority by severity, and the address that a click opens."""
    text = envelope.text
    body = {
        "title": text.subject,
        "message": text.brief,
        "priority": 3 if text.over else PRIORITIES[Severity(text.severity)],
        "extras": {"client::notification": {"click": {"url": text.url}}},
    }
    server = envelope.value("url").rstrip("/")
    return json_request(f"{server}/message", body, {"X-Gotify-Key": envelope.value("token")})
