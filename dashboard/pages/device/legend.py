"""The legend: every status, the rules that give it, from the rule table itself, what to check, the links."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.http.scope import request_scope, signed_in
from dashboard.pages.device.heartbeat_window import explained
from dashboard.templating.indicators import HEARTBEAT_STATES, VPN_NOT_YET, VPN_STATES
from devices import clock
from devices.advice import steps
from devices.models import Source
from devices.rules.rules import RULES
from devices.rules.vocabulary import Status, behind, vocabulary
from devices.words import of_site


@require_safe
@signed_in
def statuses(request: HttpRequest) -> HttpResponse:
    """The page, with the statuses that this site shows and the states of the two links."""
    legend = [(status, given_when(status), steps(status)) for status in vocabulary()]
    scope = request_scope(request)
    context = {
        "nav": "",
        "scope": scope,
        "at": clock.now(),
        "legend": legend,
        "mirrors": Source.objects.filter(organization__in=scope.chosen).exists(),
        "links": [
            ("vpn", settings.VPN_WORD, VPN_STATES | {"off": f"{VPN_STATES['off']}, or {VPN_NOT_YET}"}),
            ("heartbeat", "API", HEARTBEAT_STATES),
        ],
    }
    return render(request, "devices/statuses.html", context | explained())


def given_when(status: Status) -> list[tuple[int, str]]:
    """The numbers and sentences of the rules whose status is shown as this one."""
    return [
        (number, of_site(rule.sentence))
        for number, rule in enumerate(RULES, 1)
        if rule.status in behind(status)
    ]
