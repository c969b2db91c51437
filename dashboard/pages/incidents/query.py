"""The address of the Incidents page, read: what is unknown in it is left out, with a notice that says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from dashboard.http.scope import Scope
from dashboard.pages.parts.address import address
from dashboard.pages.parts.filter_form import MENU_FLEETS
from dashboard.pages.parts.sort_links import Choice
from devices.models import AlertRule, Held, Incident, IncidentMember, Severity
from devices.words import of_site
from fleets.models import Fleet
from fleets.text import short

STATES: Final = {"open": "Open", "over": "Over", "held": "Not told"}
RESOLVED: Final = Incident.State.RESOLVED


@dataclass(frozen=True)
class Menu:
    """A filter as a menu shows it: its words, its values, and the one in force."""

    name: str
    words: str
    choices: list[Choice]

    @property
    def chosen(self) -> str:
        """The words of the value in force; "" where it filters nothing."""
        return next((choice.words for choice in self.choices[1:] if choice.chosen), "")


@dataclass(frozen=True)
class Asked:
    """The page as its address asks for it."""

    state: str
    severity: str
    rule: AlertRule | None
    fleet: Fleet | None
    notices: list[str] = field(default_factory=list, compare=False)

    @property
    def filtered(self) -> bool:
        return bool(self.severity or self.rule or self.fleet)


def parse(request: HttpRequest, rules: Sequence[AlertRule], fleets: Sequence[Fleet], scope: Scope) -> Asked:
    """Read the address, with the rules of the viewer's organizations and the first of their fleets."""
    notices: list[str] = []
    severity = _known(request, "severity", Severity.values, notices)
    by_uuid = {str(rule.uuid): rule for rule in rules}
    rule = _known(request, "rule", by_uuid, notices)
    return Asked(
        state=_known(request, "state", STATES, notices) or "open",
        severity=severity,
        rule=by_uuid.get(rule),
        fleet=_fleet(request, fleets, scope, notices),
        notices=notices,
    )


def matching(scope: Scope, asked: Asked) -> QuerySet[Incident]:
    """The incidents of the viewer's organizations that it asks for, in no order."""
    found = Incident.objects.filter(organization__in=scope.chosen, merged_into=None)
    found = found.filter(state=RESOLVED) if asked.state == "over" else found.exclude(state=RESOLVED)
    if asked.state == "held":
        found = found.filter(Exists(Held.objects.filter(incident=OuterRef("pk"), target__person=None)))
    if asked.severity:
        found = found.filter(severity=asked.severity)
    members = IncidentMember.objects.filter(incident=OuterRef("pk"))
    if asked.rule:
        found = found.filter(Exists(members.filter(rule=asked.rule)))
    if asked.fleet:
        found = found.filter(Exists(members.filter(fleet_id=asked.fleet.pk)))
    return found


def menus(
    request: HttpRequest, asked: Asked, rules: Sequence[AlertRule], fleets: Sequence[Fleet]
) -> list[Menu]:
    """The filters, each with the links that choose another value."""
    severities = [(name, str(Severity(name).label)) for name in Severity.values]
    rule = str(asked.rule.uuid) if asked.rule else ""
    fleet = asked.fleet.slug if asked.fleet else ""
    offered = list(dict.fromkeys([*filter(None, [asked.fleet]), *fleets[:MENU_FLEETS]]))
    return [
        _menu(request, "severity", "Severity", "Any severity", asked.severity, severities),
        _menu(request, "rule", "Rule", "Any rule", rule, [(str(one.uuid), one.name) for one in rules]),
        _menu(
            request,
            "fleet",
            settings.FLEET_WORD,
            of_site("Any {fleet}"),
            fleet,
            [(one.slug, one.name) for one in offered],
        ),
    ]


def _menu(
    request: HttpRequest, name: str, words: str, every: str, chosen: str, values: list[tuple[str, str]]
) -> Menu:
    choices = [Choice(every, address(request, **{name: None}), not chosen)]
    choices += [Choice(text, address(request, **{name: value}), value == chosen) for value, text in values]
    return Menu(name, words, choices)


def _known(request: HttpRequest, name: str, values: Iterable[str], notices: list[str]) -> str:
    value = request.GET.get(name, "")
    if value and value not in values:
        notices.append(f"There is no {name} “{short(value)}”. It was ignored.")
        return ""
    return value


def _fleet(request: HttpRequest, fleets: Sequence[Fleet], scope: Scope, notices: list[str]) -> Fleet | None:
    """The fleet of this slug, which is mostly among the first."""
    slug = request.GET.get("fleet", "")
    if not slug:
        return None
    found = next((fleet for fleet in fleets if fleet.slug == slug), None)
    found = found or Fleet.objects.filter(organization__in=scope.chosen, slug=slug).first()
    if found is None:
        notices.append(of_site("There is no {fleet} “{slug}”. It was ignored.", slug=short(slug)))
    return found
