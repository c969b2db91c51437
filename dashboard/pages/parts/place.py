"""Where settings pages stand: the organization of the address, my role in it, and the side navigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from dashboard.http.scope import Scope, person
from devices import clock
from fleets.access.roles import May, allowed
from fleets.models import Fleet, Organization, Role


@dataclass(frozen=True)
class Place:
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


def place(request: HttpRequest, slug: str, least: Role = Role.OBSERVER) -> Place:
    """The organization of a settings page, in one query.

    Raises Http404 where it is none of mine, PermissionDenied where my role does not include `least`.
    """
    mine = list(Organization.objects.with_role_of(person(request)))
    roles = {each.pk: Role(each.role) for each in mine}
    for organization in mine:
        if organization.slug == slug:
            role = roles[organization.pk]
            if not role.includes(least):
                raise PermissionDenied(f"This needs the role {least.label} in {organization}.")
            return Place(organization, role, Scope(mine, organization, roles))
    raise Http404("No such organization")
