"""What settings pages share: the organization or fleet of the address, my role, and the side navigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from dashboard.http.scope import Scope, person
from dashboard.pages.parts.access import require
from dashboard.pages.parts.mirrored import require_own
from devices import clock
from fleets.access.roles import May, allowed
from fleets.models import Fleet, Organization, Role
from fleets.postgres.name_order import NameKey, key

SIDE_FLEETS: Final = 8  # most fleets in the side navigation; with more it links to their list


@dataclass(frozen=True)
class OwnOrganization:
    """An organization that the person is a member of, with their role in it."""

    organization: Organization
    role: Role
    scope: Scope

    @property
    def may(self) -> May:
        return allowed(self.role)

    def context(self, tab: str, **more: Any) -> dict[str, Any]:
        """The context that templates/settings/base.html expects, with `more` added.

        `tab` is the entry of the side navigation: general, members, plan, keys, device-links, sources,
        alert-rules, alert-targets, maintenance, mutes, vpn-servers, jobs, audit, fleets, fleet-new, or
        `fleet:` and the slug of a fleet.
        """
        fleets, more_fleets = self._side_fleets(tab)
        return {
            "nav": "settings",
            "tab": tab,
            "at": more.get("at") or clock.now(),
            "scope": self.scope,
            "organization": self.organization,
            "role": self.role,
            "may": self.may,
            "fleets": fleets,
            "more_fleets": more_fleets,
        } | more

    def _side_fleets(self, tab: str) -> tuple[list[Fleet], bool]:
        """The fleets of the side navigation; and whether there are more, then it has only the page's own."""
        slug = tab.removeprefix("fleet:")
        every = Fleet.objects.filter(organization=self.organization).only("name", "slug")
        own_first = ExpressionWrapper(Q(slug=slug), BooleanField()).desc()
        fleets = list(every.order_by(own_first, NameKey("name"), "pk")[: SIDE_FLEETS + 1])
        if len(fleets) <= SIDE_FLEETS:
            return sorted(fleets, key=lambda fleet: (key(fleet.name), fleet.pk)), False
        return [fleet for fleet in fleets if fleet.slug == slug], True


def own_organization(request: HttpRequest, slug: str, least: Role = Role.OBSERVER) -> OwnOrganization:
    """The organization of a settings page, in one query.

    Raises Http404 if the person is no member of it, PermissionDenied if their role does not include `least`.
    """
    mine = list(Organization.objects.with_role_of(person(request)))
    roles = {membership.pk: Role(membership.role) for membership in mine}
    for organization in mine:
        if organization.slug == slug:
            scope = Scope(mine, organization, roles)
            require(scope, organization, least)
            return OwnOrganization(organization, roles[organization.pk], scope)
    raise Http404("No such organization")


def administered(request: HttpRequest, slug: str) -> tuple[Fleet, OwnOrganization]:
    """The fleet with this slug, for a page that changes it.

    Raises Http404 for strangers, PermissionDenied below Administrator, and Mirrored where a source is in
    charge of the fleet.
    """
    mine = Fleet.objects.visible_to(request.user).select_related("organization", "mirrored__source")
    fleet = get_object_or_404(mine, slug=slug)
    own = own_organization(request, fleet.organization.slug, Role.ADMINISTRATOR)
    require_own(fleet)
    return fleet, own
