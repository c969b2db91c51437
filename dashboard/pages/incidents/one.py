"""The page of one incident: what befell which devices, what comes next, what was told, who takes it on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, person, request_scope, signed_in
from dashboard.live.region import Live, live_page
from dashboard.pages.incidents.forms import AcknowledgeForm
from dashboard.pages.incidents.happened import Entry, happened
from dashboard.pages.incidents.members import Members, members
from dashboard.pages.incidents.rows import Shown, severity_of, state_of
from dashboard.pages.incidents.told import Told, told
from dashboard.pages.parts.mute_form import MuteForm
from devices import clock
from devices.advice import Check
from devices.alerts import forecast, snapshot
from devices.alerts.mutes import seen_by
from devices.alerts.sentences import sentences
from devices.clock import Moment
from devices.listing import grouping
from devices.models import AlertRule, Incident, IncidentMember, Mute
from devices.rules.vocabulary import RANKS, shown
from devices.words import of_site
from fleets.access.roles import May

# What an incident's devices share, in words.
CAUSES: Final = {
    grouping.SERVER: "{vpn} server",
    grouping.ADDRESS: "Public address",
    grouping.WHOLE_FLEET: "Whole {fleet}",
    grouping.TAG: "Tag",
    grouping.RELEASE: "Release",
    grouping.FLEET: "{Fleet}",
}


@dataclass(frozen=True)
class Forecast:
    """How many more devices will be Offline, and between which moments, unless they report."""

    more: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class LiveIncident(Live):
    """What the page says of its incident, but for its title and its forms."""

    incident: Incident
    sentence: str
    may: May
    state: Shown
    severity: Shown
    counts: tuple[tuple[str, int], ...]  # by status as it became a member; without one: stalled
    cause: str
    forecast: Forecast | None
    members: Members
    happened: list[Entry]
    told: Told
    rules: list[AlertRule]
    mutes: list[Mute]
    checks: tuple[Check, ...]


@require_safe
@signed_in
def incident(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One incident; 404 to strangers."""
    return page_of(request, uuid)


def page_of(
    request: HttpRequest,
    uuid: UUID,
    *,
    acknowledging: AcknowledgeForm | None = None,
    muting: MuteForm | None = None,
) -> HttpResponse:
    """The page, with what was typed into its forms and is to be corrected. Raises Http404."""
    at, scope = clock.moment(), request_scope(request)
    notices: list[str] = []
    live = _live(request, scope, incident_of(scope, uuid), at, notices)
    return live_page(
        request,
        "incidents/one.html",
        live,
        at=at,
        nav="incidents",
        notices=notices,
        acknowledging=acknowledging or AcknowledgeForm(),
        muting=muting or MuteForm(may_for_all=live.may.operator),
    )


def incident_of(scope: Scope, uuid: UUID) -> Incident:
    """The incident, of one of the viewer's organizations; Http404 where it is of none."""
    mine = Incident.objects.filter(organization__in=scope.chosen)
    found = mine.select_related("organization", "merged_into").filter(uuid=uuid).first()
    if found is None:
        raise Http404("No such incident")
    return found


def _live(
    request: HttpRequest, scope: Scope, found: Incident, at: Moment, notices: list[str]
) -> LiveIncident:
    viewer, over = person(request).pk, found.state == Incident.State.RESOLVED
    counts = snapshot.by_rank([found])
    rules = _rules(found)
    messages = told(found, viewer)
    mutes = list(seen_by(viewer).filter(incident=found).order_by("until", "pk"))
    return LiveIncident(
        scope=scope,
        incident=found,
        sentence=sentences([found], at.at, counts)[found.pk],
        may=scope.may(found.organization_id),
        state=state_of(found, held=bool(messages.held), told=bool(messages.messages)),
        severity=severity_of(found),
        counts=() if over else _counts(counts[found.pk]),
        cause=of_site(CAUSES[found.kind]) if found.kind in CAUSES else "",
        forecast=None if over else _forecast(found, at),
        members=members(request, found, at, notices),
        happened=happened(found, rules, mutes, at.at),
        told=messages,
        rules=rules,
        mutes=[mute for mute in mutes if mute.until > at.at],
        checks=() if over else _checks(found),
    )


def _counts(counts: dict[int, int]) -> tuple[tuple[str, int], ...]:
    """How many devices have each status, the worst first; without a status: stalled."""
    return tuple((str(RANKS[rank] or ""), counts[rank]) for rank in sorted(counts) if rank < len(RANKS))


def _rules(found: Incident) -> list[AlertRule]:
    held = IncidentMember.objects.filter(incident=found, rule__isnull=False).order_by()
    return list(AlertRule.objects.filter(pk__in=held.values("rule")))


def _forecast(found: Incident, at: Moment) -> Forecast | None:
    comes = forecast.of([found], at).get(found.pk)
    if comes is None:
        return None
    return Forecast(comes["more"], *(datetime.fromisoformat(comes[name]) for name in ("from", "to")))


def _checks(found: Incident) -> tuple[Check, ...]:
    """What a person checks for devices of the worst status that it has."""
    worst = RANKS[found.rank] if found.rank < len(RANKS) else None
    return snapshot.checks(found, shown(worst), snapshot.in_charge(found)) if worst else ()
