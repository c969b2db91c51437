"""The page of an organization's VPN servers under Settings."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.http.scope import signed_in
from dashboard.pages.parts.own_organization import own_organization
from dashboard.pages.settings import vpn_server_rows
from devices import clock


@require_safe
@signed_in
def listed(request: HttpRequest, organization: str) -> HttpResponse:
    """The list of VPN servers, for all members."""
    own = own_organization(request, organization)
    at = clock.moment()
    rows, number = vpn_server_rows.listed(own.organization, at)
    context = own.context("vpn-servers", at=at.at, rows=rows, number=number)
    return render(request, "settings/vpn_servers.html", context)
