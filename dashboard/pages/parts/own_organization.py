"""Where settings pages stand: the organization or fleet of the address, my role, and the side navigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from dashboard.http.scope import Scope, person
from dashboard.pages.parts.access import require
from devices import clock
from fleets.access.roles import May, allowed
from fleets.models import Fleet, Organization, Role


@dataclass(frozen=True)
class OwnOrganization:
    """An organization of mine, and what I may do in it."""

    organization: Organization
    role: Role
    scope: Scope

    @property
    def may(self) -> May:
        return allowed(self.role)

    def context(self, tab: str, **more: Any) -> dict[str, Any]:
        """What templates/settings/base.html expects; `tab` names the entry of the side navigation.

        `tab` is general, members, plan, keys, vpn-servers, jobs, audit, fleet-new, or `fleet:` and the slug
        of a fleet.
        """
        fleets = Fleet.objects.filter(organization=self.organization).only("name", "slug")
        return {
            "nav": "settings",
            "tab": tab,
            "at": clock.now(),
            "scope": self.scope,
            "organization": self.organization,
            "role": self.role,
            "may": self.may,
            "fleets": list(fleets),
        } | more


def own_organization(request: HttpRequest, slug: str, least: Role = Role.OBSERVER) -> OwnOrganization:
    """The organization of a settings page, in one query.

    Raises Http404 where it is none of mine, PermissionDenied where my role does not include `least`.
    """
    mine = list(Organization.objects.with_role_of(person(request)))
    roles = {each.pk: Role(each.role) for each in mine}
    for organization in mine:
        if organization.slug == slug:
            scope = Scope(mine, organization, roles)
            require(scope, organization, least)
            return OwnOrganization(organization, roles[organization.pk], scope)
    raise Http404("No such organization")


def administered(request: HttpRequest, slug: str) -> tuple[Fleet, OwnOrganization]:
    """The fleet of this address: Http404 to strangers, PermissionDenied to members below Administrator."""
    mine = Fleet.objects.visible_to(request.user).select_related("organization")
    fleet = get_object_or_404(mine, slug=slug)
    return fleet, own_organization(request, fleet.organization.slug, Role.ADMINISTRATOR)
