"""The role that a page of an action requires, and where the action leads afterwards."""

from __future__ import annotations

from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from dashboard.http.scope import Scope
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
