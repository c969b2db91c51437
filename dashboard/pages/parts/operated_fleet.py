"""The fleet of a page on which operators create devices."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from dashboard.http.scope import Scope, request_scope
from dashboard.pages.parts.access import require
from dashboard.pages.parts.mirrored import require_own
from fleets.models import Fleet, Role


def operated_fleet(request: HttpRequest, slug: str) -> tuple[Fleet, Scope]:
    """The fleet with this slug, for a page that creates devices in it.

    Raises Http404 for strangers, PermissionDenied below Operator, and Mirrored where a source is in charge
    of the fleet.
    """
    scope = request_scope(request)
    mine = Fleet.objects.filter(organization__in=scope.chosen)
    mine = mine.select_related("organization", "mirrored__source")
    fleet = get_object_or_404(mine, slug=slug)
    require(scope, fleet.organization, Role.OPERATOR)
    require_own(fleet)
    return fleet, scope
