"""Pages behind links in mails about alerts: confirming an address, and receiving no more of them.

The link is what counts: nobody needs to be signed in. Opening one changes nothing, since mail scanners do so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from dashboard.account import unsubscribed
from dashboard.pages.parts.silenced import silenced_sentence
from devices import clock
from devices.alerts import confirming, unsubscribing
from devices.alerts.hearers import silenced
from devices.alerts.unsubscribing import Meant
from fleets.text import isolated

UNSUBSCRIBE: Final = "alerts/unsubscribe.html"


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm that alerts may be sent to the address that the link was sent to."""
    if request.method == "POST":
        target = confirming.confirm(token=token, at=clock.now())
    else:
        target = confirming.read(token)
    context = {"target": target, "done": request.method == "POST"}
    return _shown(request, "alerts/confirm.html", context, found=target is not None)


@csrf_exempt  # a mail program posts it by itself (RFC 8058)
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Send the person of the link no more mail of these rules, or of this organization's alerts.

    Their next pages say so, too, unless they have pressed the button themselves, signed in.
    """
    if request.method != "POST":
        meant = unsubscribing.read(token)
        return _shown(request, UNSUBSCRIBE, {"meant": meant}, found=meant is not None)
    meant, critical = _unsubscribed(request, token)
    context = {"meant": meant, "done": True, "critical": critical}
    return _shown(request, UNSUBSCRIBE, context, found=meant is not None)


@transaction.atomic
def _unsubscribed(request: HttpRequest, token: str) -> tuple[Meant | None, list[str]]:
    """What the link means; and the sentences about critical rules that this page may show.

    Without a signed-in person these are about rules of the mail alone: anybody may have the link.
    """
    meant = unsubscribing.unsubscribe(token=token, at=clock.now())
    if meant is None:
        return None, []
    critical = silenced(meant.person, meant.organization.pk)
    if meant.person == request.user.pk:
        return meant, [silenced_sentence(rule, meant.organization) for rule in critical]
    said = [silenced_sentence(rule, meant.organization) for rule in critical]
    unsubscribed.note(person=meant.person, said=[*_ended(meant), *said])
    return meant, [silenced_sentence(rule, meant.organization) for rule in critical if rule in meant.rules]


def _ended(meant: Meant) -> list[str]:
    organization = isolated(meant.organization.name)
    if not meant.rules:
        return [f"You receive no more alerts of {organization} by e-mail."]
    return [
        f"You receive no more e-mail about the rule {isolated(rule.name)} of {organization}."
        for rule in meant.rules
    ]


def _shown(
    request: HttpRequest, template: str, context: Mapping[str, object], *, found: bool
) -> HttpResponse:
    template = template if found else "alerts/not_good.html"
    response = render(request, template, dict(context), status=200 if found else 404)
    add_never_cache_headers(response)
    return response
