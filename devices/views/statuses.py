"""The legend: every status, what it says and the rules that give it, from the rule table itself."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.pages import scope, signed_in
from devices import clock
from devices.pages.links import HEARTBEAT_STATES, VPN_STATES
from devices.status import RULES, behind, vocabulary


@require_safe
@signed_in
def statuses(request: HttpRequest) -> HttpResponse:
    """All statuses as this site shows them, in their order, and the states of the two links."""
    legend = [
        (
            status,
            [
                (number, rule.sentence.format(vpn=settings.VPN_WORD))
                for number, rule in enumerate(RULES, 1)
                if rule.status in behind(status)
            ],
        )
        for status in vocabulary()
    ]
    context = {
        "nav": "",
        "scope": scope(request),
        "at": clock.now(),
        "legend": legend,
        "links": [
            ("vpn", settings.VPN_WORD, VPN_STATES),
            ("heartbeat", "API", HEARTBEAT_STATES),
        ],
    }
    return render(request, "devices/statuses.html", context)
