"""Pages behind links in mails about alerts: confirming an address, and receiving no more of them.

The link is what counts: nobody needs to be signed in. Opening one changes nothing, since mail scanners do so.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from devices import clock
from devices.alerts import confirming, unsubscribing


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
    """Send the person of the link no more mail of these rules, or of this organization's alerts."""
    if request.method == "POST":
        meant = unsubscribing.unsubscribe(token=token, at=clock.now())
    else:
        meant = unsubscribing.read(token)
    context = {"meant": meant, "done": request.method == "POST"}
    return _shown(request, "alerts/unsubscribe.html", context, found=meant is not None)


def _shown(
    request: HttpRequest, template: str, context: Mapping[str, object], *, found: bool
) -> HttpResponse:
    template = template if found else "alerts/not_good.html"
    response = render(request, template, dict(context), status=200 if found else 404)
    add_never_cache_headers(response)
    return response
