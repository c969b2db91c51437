"""What a row says of an incident: how it is, what befell its devices, what was told of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max, Q

from devices.alerts.sentences import sentences
from devices.models import AlertMessage, Held, Incident, IncidentMember, Severity

RESOLVED: Final = Incident.State.RESOLVED
Outcome = AlertMessage.Outcome
NOT_TAKEN: Final = ("", Outcome.REFUSED, Outcome.DEAD)
# By what an incident is for people: the icon of its state, and the word.
STATES: Final = {
    "gathering": ("clock-hour-4", "Gathering"),
    "firing": ("bell-ringing", "Firing"),
    "acknowledged": ("user-check", "Acknowledged"),
    "held": ("bell-off", "Held"),
    "over": ("circle-check-filled", "Over"),
}
# The icon of each severity, and the state of a link whose colour it has.
SEVERITIES: Final = {
    Severity.CRITICAL: ("alert-octagon-filled", "lost"),
    Severity.WARNING: ("alert-triangle-filled", "late"),
    Severity.INFO: ("info-circle", "unknown"),
}


@dataclass(frozen=True)
class Shown:
    """An icon with its words; `tone` names its colour."""

    icon: str
    words: str
    tone: str


@dataclass(frozen=True)
class Told:
    """What targets know: when the last message was written, to how many, and how many have not taken it."""

    last: datetime
    targets: int
    not_taken: int


@dataclass(frozen=True)
class Row:
    """An incident as the list shows it."""

    incident: Incident
    state: Shown
    severity: Shown
    sentence: str
    rules: tuple[str, ...]
    told: Told | None
    held: Held | None

    @property
    def over(self) -> bool:
        return self.incident.state == RESOLVED


def rows(incidents: Sequence[Incident], viewer: int, at: datetime) -> list[Row]:
    """The rows of these incidents, in their order; `viewer` is a person, who sees their own targets too."""
    said, rules = sentences(incidents, at), _rules(incidents)
    told, held = _told(incidents, viewer), _held(incidents, viewer)
    return [
        Row(
            incident=one,
            state=state_of(one, held=one.pk in held, told=one.pk in told),
            severity=severity_of(one),
            sentence=said[one.pk],
            rules=tuple(rules.get(one.pk, ())),
            told=told.get(one.pk),
            held=held.get(one.pk),
        )
        for one in incidents
    ]


def state_of(incident: Incident, *, held: bool, told: bool) -> Shown:
    """How it is for people: held where nobody was told of it, since something holds that."""
    name = str(incident.state)
    if incident.state == RESOLVED:
        name = "over"
    elif incident.acknowledged_at:
        name = "acknowledged"
    elif held and not told:
        name = "held"
    return Shown(*STATES[name], name)


def severity_of(incident: Incident) -> Shown:
    """Its severity, as an icon of its own with the word."""
    severity = Severity(incident.severity)
    icon, tone = SEVERITIES[severity]
    return Shown(icon, str(severity.label), tone)


def visible_to(viewer: int, name: str = "target") -> Q:
    """Targets that a person sees: those of the organization, and their own."""
    return Q(**{f"{name}__person": None}) | Q(**{f"{name}__person": viewer})


def _rules(incidents: Sequence[Incident]) -> Mapping[int, list[str]]:
    """The names of the rules that hold a device in each incident, or did."""
    found: dict[int, list[str]] = defaultdict(list)
    members = IncidentMember.objects.filter(incident__in=incidents, rule__isnull=False).order_by()
    for incident, name in members.values_list("incident", "rule__name").distinct():
        found[incident].append(name)
    return {incident: sorted(names) for incident, names in found.items()}


def _told(incidents: Sequence[Incident], viewer: int) -> dict[int, Told]:
    messages = AlertMessage.objects.filter(visible_to(viewer), incident__in=incidents).order_by()
    found: Iterable[Any] = messages.values_list("incident").annotate(
        last=Max("created_at"),
        targets=Count("target", distinct=True),
        not_taken=Count("target", distinct=True, filter=Q(outcome__in=NOT_TAKEN)),
    )
    return {incident: Told(last, targets, not_taken) for incident, last, targets, not_taken in found}


def _held(incidents: Sequence[Incident], viewer: int) -> dict[int, Held]:
    """What holds messages about each incident the longest."""
    held = Held.objects.filter(visible_to(viewer), incident__in=incidents)
    return {one.incident_id: one for one in held.order_by("until", "pk")}
