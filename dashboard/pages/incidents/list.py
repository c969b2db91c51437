"""The Incidents page: what is told as one, open, over or not told, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, person, request_scope, signed_in
from dashboard.live.region import Live, live_page
from dashboard.pages.incidents.query import STATES, Asked, Menu, matching, menus, parse
from dashboard.pages.incidents.rows import RESOLVED, Row, rows
from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.filter_form import menu_fleets
from dashboard.pages.parts.sort_links import Choice
from devices import clock
from devices.clock import Moment
from devices.models import AlertRule, AlertTarget, Incident
from fleets.postgres.keyset import Key, Order, page

PAGE: Final = 50
ORDER: Final[Order] = (Key("opened_at", datetime, descending=True), Key("id", int, descending=True))
FAULTY: Final = (AlertTarget.State.FAILING, AlertTarget.State.REFUSED, AlertTarget.State.PAUSED)
FAULTS: Final = 5  # targets that are named


@dataclass(frozen=True)
class LiveIncidents(Live):
    """What the page shows; `open_number`: incidents that are open, whatever the filters."""

    asked: Asked
    rows: list[Row]
    open_number: int
    faulty: list[AlertTarget]
    states: list[Choice]
    menus: list[Menu]
    clear: str
    previous: str | None
    next: str | None


@require_safe
@signed_in
def incidents(request: HttpRequest) -> HttpResponse:
    """The incidents of the viewer's organizations that the address asks for."""
    at, scope = clock.moment(), request_scope(request)
    live = _live(request, scope, at)
    around = {"nav": "incidents", "notices": live.asked.notices}
    return live_page(request, "incidents/list.html", live, at=at, **around)


def _live(request: HttpRequest, scope: Scope, at: Moment) -> LiveIncidents:
    rules = list(AlertRule.objects.filter(organization__in=scope.chosen))
    fleets = menu_fleets(scope.chosen)
    asked = parse(request, rules, fleets, scope)
    read = partial(page, matching(scope, asked), ORDER, PAGE)
    found = requested_page(request, asked.notices, read)
    previous, after = beside(request, found)
    mine = Incident.objects.filter(organization__in=scope.chosen, merged_into=None)
    return LiveIncidents(
        scope=scope,
        asked=asked,
        rows=rows(found.rows, person(request).pk, at.at),
        open_number=mine.exclude(state=RESOLVED).count(),
        faulty=_faulty(scope),
        states=[
            Choice(words, address(request, state=None if state == "open" else state), state == asked.state)
            for state, words in STATES.items()
        ],
        menus=menus(request, asked, rules, fleets),
        clear=address(request, severity=None, rule=None, fleet=None),
        previous=previous,
        next=after,
    )


def _faulty(scope: Scope) -> list[AlertTarget]:
    """Targets of the organizations that take no messages now."""
    targets = AlertTarget.objects.filter(organization__in=scope.chosen, person=None, enabled=True)
    return list(targets.filter(state__in=FAULTY).only("name", "state", "state_since", "last_error")[:FAULTS])
