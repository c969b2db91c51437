"""What a message says, rendered from its snapshot alone, so that it is as true as it was then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from devices.alerts import own_words
from devices.alerts.text import Text, whole
from devices.models import AlertMessage, Severity
from devices.rules.vocabulary import Status
from devices.words import clock, counted, duration, thousands

Kind = AlertMessage.Kind
Snapshot = Mapping[str, Any]


def rendered(message: AlertMessage, *, fresh: bool = False, zone: tzinfo | None = None) -> Text:
    """The words of a message, with times in this zone (None: the site's).

    `fresh`: its target knows nothing of the incident yet, since what was written before did not arrive.
    """
    with timezone.override(zone or ZoneInfo(settings.TIME_ZONE)):
        if message.kind == Kind.TEST:
            return _test(message)
        if message.kind == Kind.NOTICE:
            return _notice(message)
        return _about_incident(message, fresh=fresh)


def subject(message: AlertMessage, *, zone: tzinfo | None = None) -> str:
    """The line of a message that stands for all of it, as in `rendered`."""
    if message.kind in (Kind.TEST, Kind.NOTICE):
        return rendered(message, zone=zone).subject
    with timezone.override(zone or ZoneInfo(settings.TIME_ZONE)):
        return _subject(message, message.snapshot, fresh=False)


def bundled(messages: Sequence[AlertMessage], *, zone: tzinfo | None = None) -> Text:
    """One text for several messages, of which there are too many to send each."""
    texts = [rendered(message, zone=zone) for message in messages]
    worst = min((text.severity for text in texts), key=Severity.values.index)
    number = len({message.incident_id for message in messages})
    return Text(
        subject=counted(number, "1 incident", "{n} incidents"),
        paragraphs=["There are too many messages to send each of them by itself. They are about:"],
        devices=[f"{text.subject}: {text.url}" for text in texts],
        url=whole("/incidents/"),
        severity=worst,
        over=all(text.over for text in texts),
    )


def _about_incident(message: AlertMessage, *, fresh: bool) -> Text:
    snapshot = message.snapshot
    return Text(
        subject=_subject(message, snapshot, fresh=fresh),
        paragraphs=_own_paragraphs(message) or list(_paragraphs(message, snapshot, fresh=fresh)),
        devices=list(_devices(snapshot, message.as_of)),
        url=whole(snapshot["url"]),
        severity=snapshot["severity"],
        over=message.kind == Kind.RESOLVED,
        runbook=snapshot["runbook"],
    )


def _own_paragraphs(message: AlertMessage) -> list[str]:
    """The lines of the rule's own text, and what else must be told; [] where it has none."""
    at, lines = message.as_of, [line for line in _own(message, "text").splitlines() if line.strip()]
    if not lines:
        return []
    return [*lines, f"This was so at {clock(at, at)} {_zone(at)}.", *_ends_of_others(message.snapshot, at)]


def _own(message: AlertMessage, part: str) -> str:
    """The subject or the text that the rule has of its own, with its values; "": the usual ones."""
    own = message.snapshot.get("own_words")
    return own_words.filled(own[part], _values(message, own)) if own and own[part] else ""


def _values(message: AlertMessage, own: Mapping[str, Any]) -> dict[str, str]:
    """What the names of own_words.NAMES mean in this message."""
    snapshot, at = message.snapshot, message.as_of
    number = snapshot["members"]["now"] or snapshot["members"]["at_most"]
    state = (
        "over" if message.kind == Kind.RESOLVED else "acknowledged" if snapshot["acknowledged"] else "firing"
    )
    return {
        "count": thousands(number),
        "of": thousands(own["of"] or number),
        "cause": own["cause"] or snapshot["summary"],
        "since": f"{_said(snapshot['opened_at'], at)} {_zone(at)}",
        "forecast": " ".join(_what_comes(snapshot, at)),
        "url": whole(snapshot["url"]),
        "summary": snapshot["summary"],
        "state": state,
        "severity": snapshot["severity"],
        "rule": own["rule"],
        "runbook": snapshot["runbook"],
    }


def summary_of(message: AlertMessage) -> str:
    """What befell the devices of its incident, in the words of its rule where it has some of its own."""
    return _own(message, "subject") or str(message.snapshot["summary"])


def _subject(message: AlertMessage, snapshot: Snapshot, *, fresh: bool) -> str:
    summary = summary_of(message)
    if message.kind == Kind.RESOLVED:
        opened, resolved = _time(snapshot["opened_at"]), _time(snapshot["resolved_at"])
        if fresh:
            return f"Was firing {_span(opened, resolved)}: {summary}"
        return f"Over after {duration(resolved - opened)}: {summary}"
    if message.kind == Kind.REMINDER and not fresh:
        return f"Still: {summary}"
    if message.kind == Kind.ACKNOWLEDGED and snapshot["acknowledged"]:
        return f"Acknowledged by {snapshot['acknowledged']['by']}: {summary}"
    return f"[{snapshot['severity']}] {summary}"


def _paragraphs(message: AlertMessage, snapshot: Snapshot, *, fresh: bool) -> Iterator[str]:
    at = message.as_of
    yield f"{snapshot['summary']}. This was so at {clock(at, at)} {_zone(at)}."
    if message.kind == Kind.RESOLVED:
        began, ended = _said(snapshot["opened_at"], at), _said(snapshot["resolved_at"], at)
        yield f"It began at {began} and was over at {ended}."
    else:
        yield f"It began at {_said(snapshot['opened_at'], at)}."
    if unseen := snapshot.get("lost_between"):
        began, ended = _said(unseen["from"], at), _said(unseen["to"], at)
        yield f"It was lost some time between {began} and {ended}, while Lookout was away."
    if snapshot["told_before"] and not fresh and message.kind != Kind.RESOLVED:
        yield counted(
            snapshot["told_before"]["members"],
            "The message before named 1 device.",
            "The message before named {n} devices.",
        )
    yield from _acknowledgement(message, snapshot)
    yield from _what_comes(snapshot, at)
    yield from _what_to_do(snapshot, message)
    yield from _ends_of_others(snapshot, at)


def _acknowledgement(message: AlertMessage, snapshot: Snapshot) -> Iterator[str]:
    taken = snapshot["acknowledged"]
    if not taken or message.kind == Kind.RESOLVED:
        return
    by, when = taken["by"], _said(taken["at"], message.as_of)
    number, now = taken["members"], thousands(snapshot["members"]["now"])
    if snapshot["reason"] == "outgrown":
        yield counted(
            number,
            "{by} acknowledged it at {when} for 1 device. Now it has {now}.",
            "{by} acknowledged it at {when} for {n} devices. Now it has {now}.",
            by=by,
            when=when,
            now=now,
        )
    elif snapshot["reason"] == "open-again":
        yield f"{by} acknowledged it at {when}. The acknowledgement is over, and the incident is not."
    else:
        yield f"{by} acknowledged it at {when}."


def _what_comes(snapshot: Snapshot, at: datetime) -> Iterator[str]:
    forecast = snapshot["forecast"]
    if forecast:
        yield counted(
            forecast["more"],
            "1 more will be {status} at {to} unless it reports.",
            "{n} more will be {status} between {first} and {to} unless they report.",
            status=Status(forecast["status"]).label,
            first=_said(forecast["from"], at),
            to=_said(forecast["to"], at),
        )


def _what_to_do(snapshot: Snapshot, message: AlertMessage) -> Iterator[str]:
    if message.kind == Kind.RESOLVED:
        return
    if snapshot["works_now"]:
        yield f"What works now: {_listed(snapshot['works_now'])}"
    if snapshot["check_first"]:
        yield f"What to check first: {_listed(snapshot['check_first'])}"
    if snapshot["runbook"]:
        yield f"What to do is written here: {snapshot['runbook']}"


def _ends_of_others(snapshot: Snapshot, at: datetime) -> Iterator[str]:
    for other in snapshot.get("over", ()):
        if other["resolved_at"]:
            yield (
                f"The incident of these devices before was over at {_said(other['resolved_at'], at)}:"
                f" {whole(other['url'])}"
            )


def _devices(snapshot: Snapshot, at: datetime) -> Iterator[str]:
    for device in snapshot["devices"]:
        name = device["name"] or device["uuid"][:7]
        status = Status(device["status"]).label
        yield f"{name}: {status} since {_said(device['since'], at)}"
    if snapshot["more_devices"]:
        yield counted(snapshot["more_devices"], "and 1 more", "and {n} more")


def _notice(message: AlertMessage) -> Text:
    snapshot = message.snapshot
    number = snapshot["incidents"]
    if snapshot["reason"] == "storm":
        subject = counted(number, "and 1 more incident", "and {n} more incidents")
        said = (
            "Many incidents began within ten minutes, so these have no message of their own."
            " The page of incidents lists all of them."
        )
    else:
        span = _span(_time(snapshot["began"]), _time(snapshot["ended"]))
        subject = counted(
            number,
            "1 incident began and ended while alerting was away",
            "{n} incidents began and ended while alerting was away",
        )
        said = f"Alerting was away {span}. The page of incidents lists what began and ended in this time."
    return Text(subject, [said], [], whole(snapshot["url"]), Severity.INFO)


def _test(message: AlertMessage) -> Text:
    by = message.snapshot["by"]
    said = f"{by} tests whether messages arrive here. Nothing is wrong, and nothing is to be done."
    return Text("Test of Lookout", [said], [], whole("/incidents/"), Severity.INFO)


def _listed(items: Iterable[str]) -> str:
    return f"{'; '.join(items)}."


def _time(said: str) -> datetime:
    return datetime.fromisoformat(said)


def _said(said: str, at: datetime) -> str:
    return clock(_time(said), at)


def _span(began: datetime, ended: datetime) -> str:
    """From when to when, as a clock shows it: "14:05-14:31", with the days where these differ."""
    zone = timezone.get_current_timezone()
    first, last = began.astimezone(zone), ended.astimezone(zone)
    if first.date() == last.date():
        return f"{first:%H:%M}-{last:%H:%M}"
    return f"{first.day} {first:%b %H:%M}-{last.day} {last:%b %H:%M}"


def _zone(at: datetime) -> str:
    return at.astimezone(timezone.get_current_timezone()).tzname() or "UTC"
