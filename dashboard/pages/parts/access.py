"""The role that a page of an action requires, and where the action leads afterwards."""

from __future__ import annotations

from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views import defaults

from dashboard.http.scope import Scope
from devices.keys.mirrored import Mirrored
from fleets.models import Organization, Role


def require(scope: Scope, organization: Organization, least: Role) -> None:
    """Raise PermissionDenied if the person's role does not include `least`; takes no query."""
    role = scope.roles.get(organization.pk)
    if role is None or not role.includes(least):
        raise PermissionDenied(f"This requires the role {least.label} in {organization}.")


def lead_to(scope: Scope, name: str, *args: str) -> HttpResponse:
    """Redirect to the page of this URL name, narrowed to the scope's organization if it has one."""
    query = f"?{urlencode({'org': scope.organization.slug})}" if scope.organization else ""
    return HttpResponseRedirect(reverse(name, args=args) + query)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page, with status 403, for what a role does not allow, or for what only a source may do."""
    if isinstance(exception, Mirrored):
        context = {"heading": "This cannot be done here", "words": f"{exception} Nothing was changed here."}
        return render(request, "refused.html", context, status=403)
    return defaults.permission_denied(request, exception)
