"""The lines of the audit log in words: the action, and the old and new value of each changed field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from dashboard.templating.indicators import VPN_NOT_YET
from devices.words import of_site
from fleets.audit.actions import Action, Kind
from fleets.models import AuditEntry
from fleets.postgres import moments

# The words of fields whose name is not readable by itself.
FIELDS = {
    "vpn_enabled": "{vpn}",
    "poll_interval": "Poll interval (seconds)",
    "fleet": "{Fleet}",
    "expires": "Expires",
    "expires_at": "Expires",
    "older_key_expires_at": "Older key expires",
}

NONE = {"vpn_enabled": VPN_NOT_YET}  # the words for an empty value, by field; else "none"


@dataclass(frozen=True)
class Value:
    """A value of a field: words, or a moment."""

    words: str
    at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """A changed field with its values; `before` is None if it was created, `after` if it was deleted."""

    field: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class Line:
    """An entry and its words."""

    entry: AuditEntry
    action: str
    kind: str
    changes: list[Change]
    job: str  # UUID of the job that was started, whose devices have entries of their own; else ""


def lines(entries: Iterable[AuditEntry]) -> list[Line]:
    return [
        Line(entry, action_words(entry.action), kind_words(entry.subject_kind), changes(entry), _job(entry))
        for entry in entries
    ]


def _job(entry: AuditEntry) -> str:
    """The UUID of the job that this entry started; "" if none."""
    if entry.action == Action.JOB_STARTED:
        return entry.subject_id
    is_list = entry.action == Action.DEVICES_PREREGISTERED
    return str((entry.after or {}).get("job", "")) if is_list else ""


def action_words(slug: str) -> str:
    """An action in words; an action of an earlier version is shown as its slug."""
    return of_site(Action(slug).label) if slug in Action.values else slug


def kind_words(slug: str) -> str:
    if slug == Kind.FLEET:
        return settings.FLEET_WORD
    return Kind(slug).label if slug in Kind.values else slug


def changes(entry: AuditEntry) -> list[Change]:
    """The fields whose values differ, in the order in which they were recorded."""
    before, after = entry.before, entry.after
    names = dict.fromkeys([*(before or {}), *(after or {})])
    return [
        Change(
            _field(name),
            _value((before or {}).get(name), name) if before is not None else None,
            _value((after or {}).get(name), name) if after is not None else None,
        )
        for name in names
        if before is None or after is None or before.get(name) != after.get(name)
    ]


def _field(name: str) -> str:
    words = FIELDS.get(name) or name.replace("_", " ").capitalize()
    return of_site(words)


def _value(value: Any, field: str = "") -> Value:
    match value:
        case None | "" | []:
            return Value(NONE.get(field, "none"))
        case bool():
            return Value("on" if value else "off")
        case list():
            return Value(", ".join(_value(item).words for item in value))
        case dict():
            return Value(", ".join(_pair(key, item) for key, item in value.items()) or "none")
        case str() if moment := moments.read(value):
            return Value(value, moment)
    return Value(str(value))


def _pair(key: str, value: Any) -> str:
    return key if value in (None, "") else f"{key} = {value}"
