"""Permissions: the one place where a person's role is checked (product.md, People and safety)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

from fleets.models import Membership, Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Actor


def role_in(user: Actor, organization: Organization) -> Role | None:
    """This person's role in the organization; None for anyone who is no member."""
    if not user.is_authenticated:
        return None
    role = Membership.objects.filter(user=user.pk, organization=organization).values_list("role", flat=True)
    return Role(role[0]) if role else None


def still_has(person: int, role: Role, organization: int) -> bool:
    """Whether this account is active and its role in the organization includes `role`, read at this moment.

    `person` and `organization` are primary keys, as the account may have been deleted: this is for work that
    continues after its request, and for what an account created earlier.
    """
    members = Membership.objects.filter(user=person, user__is_active=True, organization=organization)
    return any(Role(own).includes(role) for own in members.values_list("role", flat=True))


@dataclass(frozen=True)
class May:
    """Which roles a person's role includes, so that a page shows only the buttons that would work."""

    observer: bool = False
    operator: bool = False
    administrator: bool = False
    owner: bool = False


@cache
def allowed(role: Role | None) -> May:
    """The roles that this role includes, itself among them; none of them for None (no member)."""
    return May(**{str(least): role is not None and role.includes(least) for least in Role})


def require(actor: Actor | None, role: Role, organization: Organization) -> None:
    """Raise PermissionDenied if the actor's role in the organization does not include `role`.

    An actor of None is the console, which may do everything.
    """
    if actor is None:
        return
    own = role_in(actor, organization)
    if own is None or not own.includes(role):
        raise PermissionDenied(f"This requires the role {role.label} in {organization}.")
