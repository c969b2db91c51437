"""What happened to an incident, newest first: facts, messages to the page, and what people did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count

from devices.alerts.unseen import lost_between
from devices.models import AlertMessage, AlertRule, AlertTarget, Incident, IncidentMember, Mute
from devices.words import clock, counted, of_site
from fleets.audit.actions import Action, Kind
from fleets.audit.search import Filters, entries
from fleets.models import AuditEntry
from fleets.text import isolated

MOST: Final = 50  # entries of a kind
FIRST: Final = {
    "vpn": "The first device lost the {vpn}",
    "silent": "The {vpn} server stopped reporting",
    "heartbeat": "The first device stopped reporting to the API",
    "never": "The first device connected without {vpn}",
    "progress": "The first device stopped making progress",
}
# What became of devices that are no longer in it.
GONE: Final = {
    "recovered": ("1 device recovered", "{n} devices recovered"),
    "deactivated": ("1 device was deactivated", "{n} devices were deactivated"),
    "frozen": ("1 device was frozen", "{n} devices were frozen"),
    "deleted": ("1 device was deleted", "{n} devices were deleted"),
    "moved": ("1 device was moved", "{n} devices were moved"),
    "changed": (
        "1 device is no longer covered by the rule",
        "{n} devices are no longer covered by the rule",
    ),
    "apart": ("1 device is now an incident of its own", "{n} devices are now incidents of their own"),
}
BETWEEN: Final = "It was lost some time between {} and {}, while Lookout was away."
GROWTH: Final = ("grew", "worse", "outgrown")


@dataclass(frozen=True)
class Entry:
    """One line: when, an icon, a sentence, and one more below it."""

    at: datetime
    icon: str
    words: str
    more: str = ""
    tone: str = ""


def happened(
    incident: Incident, rules: Sequence[AlertRule], mutes: Iterable[Mute], at: datetime
) -> list[Entry]:
    """All of it; of one instant, what came later stands first."""
    found = [*_facts(incident, rules, at), *_growth(incident), *_merged(incident)]
    found += [*_acknowledgements(incident), *(_mute(mute, at) for mute in mutes)]
    if incident.resolved_at:
        found.append(
            Entry(incident.resolved_at, "circle-check-filled", "It is over", _gone(incident), "good")
        )
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _facts(incident: Incident, rules: Sequence[AlertRule], at: datetime) -> Iterator[Entry]:
    names = ", ".join(isolated(rule.name) for rule in rules)
    yield Entry(incident.opened_at, "bell-ringing", "The incident began", names, "bad")
    if incident.what in FIRST:
        unseen = lost_between([incident]).get(incident.pk)
        between = BETWEEN.format(*(clock(moment, at) for moment in unseen)) if unseen else ""
        yield Entry(incident.first, "plug-connected", of_site(FIRST[incident.what]), between)


def _growth(incident: Incident) -> Iterator[Entry]:
    messages = AlertMessage.objects.filter(
        incident=incident, target__kind=AlertTarget.Kind.PAGE, snapshot__reason__in=GROWTH
    )
    for as_of, number in messages.order_by("-number").values_list("as_of", "snapshot__members__now")[:MOST]:
        words = counted(number, "Now 1 device is in it", "Now {n} devices are in it")
        yield Entry(as_of, "trending-up", words, tone="warn")


def _merged(incident: Incident) -> Iterator[Entry]:
    merged = incident.merged.exclude(resolved_at=None).order_by("-resolved_at")[:MOST]
    for other in merged:
        if other.resolved_at:
            yield Entry(other.resolved_at, "stack-push", "Another incident with the same cause joined it")


def _acknowledgements(incident: Incident) -> Iterator[Entry]:
    mine = Filters(kind=Kind.INCIDENT, subject=str(incident.uuid))
    for entry in entries(incident.organization, mine).order_by("-at", "-id")[:MOST]:
        yield Entry(entry.at, "user-check", _acknowledged(entry), isolated(_note(entry)))


def _acknowledged(entry: AuditEntry) -> str:
    who = isolated(entry.actor_name)
    if entry.action == Action.INCIDENT_RETURNED:
        return f"{who} withdrew the acknowledgement"
    number = (entry.after or {}).get("devices", 0)
    return counted(
        number, "{who} acknowledged it for 1 device", "{who} acknowledged it for {n} devices", who=who
    )


def _note(entry: AuditEntry) -> str:
    return str((entry.after or {}).get("note") or "")


def _mute(mute: Mute, at: datetime) -> Entry:
    words = f"{isolated(mute.by_name)} muted it until {clock(mute.until, at)}"
    return Entry(mute.created_at, "bell-off", words, isolated(mute.note))


def _gone(incident: Incident) -> str:
    members = IncidentMember.objects.filter(incident=incident).exclude(reason="").order_by()
    numbers = dict(members.values_list("reason").annotate(number=Count("device_id", distinct=True)))
    return ", ".join(counted(numbers[reason], *words) for reason, words in GONE.items() if reason in numbers)
