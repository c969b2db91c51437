"""Telegram's Bot API, method sendMessage (https://core.telegram.org/bots/api#sendmessage)."""

from __future__ import annotations

from html import escape
from typing import Final

from devices.alerts.outbound import Request
from devices.alerts.transports.envelope import Envelope, Field
from devices.alerts.transports.json_request import cut, json_request

FIELDS: Final = (
    Field("chat", "Chat", "Its number, or @name of a channel."),
    Field("token", "Token of the bot", secret=True),
    Field("url", "Server", required=False, address=True, usual="https://api.telegram.org"),
)
LONGEST: Final = 4096  # characters of a text once its marks are read
NAMED: Final = 20  # devices


def request(envelope: Envelope) -> Request:
    """HTML of at most 4,096 characters: the subject in bold, the text, the first devices, the address."""
    text = envelope.text
    room = LONGEST - len(text.subject) - len(text.url) - 8
    lines = "\n".join([*text.paragraphs, *(f"• {device}" for device in text.devices[:NAMED])])
    html = f"<b>{escape(text.subject)}</b>\n{escape(cut(lines, room))}\n{escape(text.url)}"
    server = envelope.value("url", FIELDS[2].usual).rstrip("/")
    body = {
        "chat_id": envelope.value("chat"),
        "text": html,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    return json_request(f"{server}/bot{envelope.value('token')}/sendMessage", body)
