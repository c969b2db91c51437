"""Who may do what: the one place where a role is asked for (product.md, People and safety)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

from fleets.models import Membership, Organization, Role

if TYPE_CHECKING:
    from fleets.actor import Actor


def role_in(user: Actor, organization: Organization) -> Role | None:
    """This person's role in the organization; None: no member."""
    if not user.is_authenticated:
        return None
    role = Membership.objects.filter(user=user.pk, organization=organization).values_list("role", flat=True)
    return Role(role[0]) if role else None


def still_has(person: int, role: Role, organization: int) -> bool:
    """Whether this account is active and its role in the organization includes `role`, read at this moment.

    For work that goes on after its request: people are known by primary key, as their account may be gone.
    """
    members = Membership.objects.filter(user=person, user__is_active=True, organization=organization)
    return any(Role(own).includes(role) for own in members.values_list("role", flat=True))


@dataclass(frozen=True)
class May:
    """What a person's role allows, for buttons: each role includes the ones before."""

    observer: bool = False
    operator: bool = False
    administrator: bool = False
    owner: bool = False


def allowed(role: Role | None) -> May:
    """The roles that this one includes; none for no member."""
    return May(**{str(least): role is not None and role.includes(least) for least in Role})


def require(actor: Actor | None, role: Role, organization: Organization) -> None:
    """Refuse an actor whose role in the organization does not include `role`: PermissionDenied.

    None is the site itself, from the console.
    """
    if actor is None:
        return
    own = role_in(actor, organization)
    if own is None or not own.includes(role):
        raise PermissionDenied(f"This requires the role {role.label} in {organization}.")
