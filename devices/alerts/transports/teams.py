"""Microsoft Teams by a workflow "When a Teams webhook request is received", which posts an Adaptive Card.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

from typing import Final

from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import json_request
from devices.models import Severity

FIELDS: Final = (
    Field(
        "url", "Address of the workflow", "Anyone who knows it can write there.", secret=True, address=True
    ),
)
COLOURS: Final = {Severity.CRITICAL: "attention", Severity.WARNING: "warning", Severity.INFO: "accent"}
NAMED: Final = 20  # devices: a card has at most 28 kB


def request(envelope: Envelope) -> Request:
    """An Adaptive Card with the text, the first devices and a button that leads to the incident."""
    text = envelope.text
    colour = "good" if text.over else COLOURS[Severity(text.severity)]
    heading = {"type": "TextBlock", "text": text.subject, "weight": "bolder", "wrap": True, "color": colour}
    lines = [*text.paragraphs, *(f"- {device}" for device in text.devices[:NAMED])]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [heading, *({"type": "TextBlock", "text": line, "wrap": True} for line in lines)],
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": text.url}],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return json_request(envelope.value("url"), {"type": "message", "attachments": [attachment]})
