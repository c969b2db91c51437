"""The suggestions for filters by type and version, as a fragment for the menu of filters."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.http.scope import request_scope, signed_in
from devices.listing.suggestions import suggestions


@require_safe
@signed_in
def suggest(request: HttpRequest) -> HttpResponse:
    """The fragment with the values that occur in the organizations of the page."""
    return render(
        request, "devices/occurring.html", {"occurring": suggestions(request_scope(request).chosen)}
    )
