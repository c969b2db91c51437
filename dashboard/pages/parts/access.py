"""Who may open the page of an action, and where it leads once that is done."""

from __future__ import annotations

from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from dashboard.http.scope import Scope
from fleets.models import Organization, Role


def require(scope: Scope, organization: Organization, least: Role) -> None:
    """Refuse a member whose role does not include `least`: PermissionDenied. In no query."""
    role = scope.roles.get(organization.pk)
    if role is None or not role.includes(least):
        raise PermissionDenied(f"This requires the role {least.label} in {organization}.")


def lead_to(scope: Scope, name: str, *args: str) -> HttpResponse:
    """Lead to a page, which stays narrowed to the same organization."""
    narrowed = f"?{urlencode({'org': scope.organization.slug})}" if scope.organization else ""
    return HttpResponseRedirect(reverse(name, args=args) + narrowed)
