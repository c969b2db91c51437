"""What a digest says, rendered from the snapshots of its messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from devices.alerts.rendering import summary_of
from devices.alerts.text import Section, Text, whole
from devices.models import AlertMessage, Severity
from devices.words import clock, counted

Kind = AlertMessage.Kind
MOST: Final = 100  # incidents of a section that are named
BEGAN, OPEN, ENDED = "Began", "Still open", "Ended"
SECTIONS: Final = {Kind.FIRST: BEGAN, Kind.RESOLVED: ENDED}  # of every other message: OPEN


def digest(messages: Sequence[AlertMessage], *, zone: tzinfo | None = None) -> Text:
    """One text for the messages of a digest, of which each is about another incident of an organization.

    Times are in this zone (None: the site's).
    """
    newest = messages[-1]
    with timezone.override(zone or ZoneInfo(settings.TIME_ZONE)):
        at = timezone.localtime(newest.as_of)
        return Text(
            subject=counted(
                len(messages),
                "1 incident of {organization} since the last daily e-mail",
                "{n} incidents of {organization} since the last daily e-mail",
                organization=newest.organization,
            ),
            paragraphs=[f"This was so at {clock(at, at)} {at.tzname()}."],
            devices=[],
            url=whole("/incidents/"),
            severity=min((one.snapshot["severity"] for one in messages), key=Severity.values.index),
            over=all(one.kind == Kind.RESOLVED for one in messages),
            sections=[found for name in (BEGAN, OPEN, ENDED) if (found := _section(name, messages)).lines],
        )


def _section(name: str, messages: Sequence[AlertMessage]) -> Section:
    mine = [one for one in messages if SECTIONS.get(Kind(one.kind), OPEN) == name]
    lines = [_line(one) for one in mine[:MOST]]
    more = [counted(len(mine) - MOST, "and 1 more", "and {n} more")] if len(mine) > MOST else []
    return Section(name, [*lines, *more])


def _line(message: AlertMessage) -> str:
    """What befell it, when it began and, if it did, ended, and where to read on."""
    snapshot, at, summary = message.snapshot, message.as_of, summary_of(message)
    url, severity = whole(snapshot["url"]), snapshot["severity"]
    began = _clock(snapshot["opened_at"], at)
    if snapshot["resolved_at"]:
        ended = _clock(snapshot["resolved_at"], at)
        return f"[{severity}] {summary}. It began at {began} and was over at {ended}: {url}"
    if taken := snapshot["acknowledged"]:
        return f"[{severity}] {summary}. It began at {began}, and {taken['by']} acknowledged it: {url}"
    return f"[{severity}] {summary}. It began at {began}: {url}"


def _clock(said: str, at: datetime) -> str:
    return clock(datetime.fromisoformat(said), at)
