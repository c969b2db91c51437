"""Pushover's Message API (https://pushover.net/api)."""

from __future__ import annotations

from typing import Final

from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import cut, json_request
from devices.models import Severity

FIELDS: Final = (
    Field("user", "Key of the user or group", secret=True),
    Field("token", "Token of the application", secret=True),
    Field("url", "Server", required=False, address=True, usual="https://api.pushover.net"),
)
PRIORITIES: Final = {Severity.CRITICAL: 1, Severity.WARNING: 0, Severity.INFO: -1}


def request(envelope: Envelope) -> Request:
    """Title of at most 250 characters, text of at most 1,024, priority by severity, an address."""
    text = envelope.text
    body = {
        "token": envelope.value("token"),
        "user": envelope.value("user"),
        "title": cut(text.subject, 250),
        "message": cut(text.brief, 1024),
        "url": text.url,
        "priority": -1 if text.over else PRIORITIES[Severity(text.severity)],
    }
    server = envelope.value("url", FIELDS[2].usual).rstrip("/")
    return json_request(f"{server}/1/messages.json", body)
