"""The list of an organization's fleets under Settings, also as a fragment for the side navigation."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.http.scope import signed_in
from dashboard.live.region import wants_fragment
from dashboard.pages.parts.own_organization import own_organization
from fleets.models import Fleet


@require_safe
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The list, for all members; to htmx the entries of the side navigation of the page in `?tab=`."""
    own = own_organization(request, organization)
    fleets = Fleet.objects.filter(organization=own.organization).only("name", "slug")
    if wants_fragment(request):
        context = own.context(request.GET.get("tab", ""), fleets=list(fleets), more_fleets=False)
        return render(request, "settings/side_fleets.html", context)
    return render(request, "settings/fleets.html", own.context("fleets", all_fleets=list(fleets)))
