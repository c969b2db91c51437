"""Slack's incoming webhooks, and services that take these: Mattermost, Rocket.Chat, Zulip, Discord's /slack.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: `text` and `attachments`, which all
of them show.
"""

from __future__ import annotations

from typing import Final

from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import cut, json_request
from devices.models import Severity

FIELDS: Final = (
    Field(
        "url",
        "Address of the incoming webhook",
        "Anyone who knows it can write there.",
        secret=True,
        address=True,
    ),
)
GREEN: Final = "#2e7d32"
COLOURS: Final = {Severity.CRITICAL: "#c62828", Severity.WARNING: "#ef6c00", Severity.INFO: "#1565c0"}
LONGEST: Final = 3000  # characters of a text
NAMED: Final = 20  # devices


def request(envelope: Envelope) -> Request:
    """A message with an attachment in the colour of its severity; &, < and > are escaped as Slack asks."""
    text = envelope.text
    lines = [*text.paragraphs, *(f"• {device}" for device in text.devices[:NAMED])]
    attachment = {
        "color": GREEN if text.over else COLOURS[Severity(text.severity)],
        "title": escaped(text.subject),
        "title_link": text.url,
        "text": cut(escaped("\n".join(lines)), LONGEST),
        "fallback": escaped(text.subject),
    }
    body = {"text": f"<{text.url}|{escaped(text.subject)}>", "attachments": [attachment]}
    return json_request(envelope.value("url"), body)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
