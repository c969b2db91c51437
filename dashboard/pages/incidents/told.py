"""What was told of an incident and what was not: messages with their outcome, and holds with their reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboard.pages.incidents.rows import visible_to
from devices.models import AlertMessage, Held, Incident

MOST: Final = 50
Kind, Outcome = AlertMessage.Kind, AlertMessage.Outcome
WORDS: Final = {
    Kind.FIRST: "First message to {target}",
    Kind.UPDATE: "Update to {target}",
    Kind.REMINDER: "Reminder to {target}",
    Kind.STEP: "Escalation to {target}",
    Kind.ACKNOWLEDGED: "Acknowledgement told to {target}",
    Kind.RESOLVED: "End told to {target}",
}
# By how a message ended: its icon, and the tone of it.
OUTCOMES: Final = {
    Outcome.ACCEPTED: ("send", "good"),
    Outcome.SUPERSEDED: ("arrow-narrow-right", ""),
    Outcome.REFUSED: ("alert-circle-filled", "bad"),
    Outcome.DEAD: ("alert-circle-filled", "bad"),
}


@dataclass(frozen=True)
class Message:
    """A message: to whom, what it said in short, and how it ended. `next_at`: when it is tried again."""

    at: datetime
    words: str
    said: str
    outcome: str
    icon: str
    tone: str
    error: str
    next_at: datetime | None


@dataclass(frozen=True)
class Told:
    """The newest messages, newest first, and what is held; `more`: older messages are not listed."""

    messages: list[Message]
    held: list[Held]
    more: bool


def told(incident: Incident, viewer: int) -> Told:
    """Of the organization's targets and the viewer's own. Two queries."""
    messages = AlertMessage.objects.filter(visible_to(viewer), incident=incident).select_related("target")
    found = list(messages.order_by("-created_at", "-pk")[: MOST + 1])
    held = Held.objects.filter(visible_to(viewer), incident=incident).select_related("target")
    return Told(
        [_message(one) for one in found[:MOST]], list(held.order_by("-since", "pk")), len(found) > MOST
    )


def _message(message: AlertMessage) -> Message:
    outcome = Outcome(message.outcome) if message.outcome else None
    icon, tone = OUTCOMES[outcome] if outcome else ("clock-hour-4", "warn")
    return Message(
        at=message.created_at,
        words=WORDS[Kind(message.kind)].format(target=message.target.name),
        said=message.snapshot.get("summary", ""),
        outcome=str(outcome.label) if outcome else "Waiting",
        icon=icon,
        tone=tone,
        error=message.error if outcome != Outcome.ACCEPTED else "",
        next_at=message.next_at,
    )
