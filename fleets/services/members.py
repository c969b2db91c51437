"""Members of an organization: they join by an invitation and have a role that Owners change (product.md).

Every change locks the organization's row, so that of two people who act at once the second sees what the
first did: an organization always keeps an Owner, and an invitation makes one person a member.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from fleets import audit
from fleets.access import locks, roles
from fleets.models import Invitation, Membership, Organization, Role
from fleets.postgres import clock
from fleets.services import invitations

if TYPE_CHECKING:
    from fleets.actor import Actor, Person


class LastOwner(Exception):
    """The change would leave the organization without an Owner."""


class NotAMember(Exception):
    """The person is not, or no longer, a member of the organization."""


class OtherAddress(Exception):
    """The invitation is for an e-mail address that is not the account's."""


class UnprovenAddress(Exception):
    """The invitation is for the account's e-mail address, which the person has not confirmed yet."""


@dataclass(frozen=True)
class Joined:
    """What accepting an invitation did: the role afterwards, and the one before (None: no member)."""

    organization: Organization
    role: Role
    before: Role | None


@transaction.atomic
def accept(*, invitation: Invitation, user: Person, at: datetime | None = None) -> Joined:
    """Make the person a member with the invitation's role; a member keeps a higher role that they have.

    The invitation is used up by it, unless the person's role does not change. Raises
    invitations.InvalidInvitation, OtherAddress, UnprovenAddress.
    """
    at = at or clock.now()
    current = invitations.hold(invitation, at)
    if not invitations.is_for(current, user.email):
        raise OtherAddress(f"This invitation is for {current.email}.")
    if invitations.requires_proof(current, user):
        raise UnprovenAddress(f"This invitation is for {current.email}. Confirm that this address is yours.")
    organization, role = current.organization, Role(current.role)
    before = roles.role_in(user, organization)
    if before and before.includes(role):
        return Joined(organization, before, before)
    Invitation.objects.filter(pk=current.pk).update(used_at=at, used_by=user.pk)
    _set_role(organization, user, role, before, actor=user, at=at)
    return Joined(organization, role, before)


@transaction.atomic
def make_owner(*, organization: Organization, user: Person, at: datetime | None = None) -> bool:
    """Make this person an Owner from the console, as when no Owner can be reached; they may be no member.

    Returns False if they are an Owner already.
    """
    locks.hold([organization.pk])
    before = roles.role_in(user, organization)
    if before == Role.OWNER:
        return False
    _set_role(organization, user, Role.OWNER, before, actor=None, at=at or clock.now())
    return True


@transaction.atomic
def change_role(
    *,
    organization: Organization,
    user: Person,
    role: Role,
    actor: Actor | None,
    at: datetime | None = None,
) -> None:
    """Change a member's role; only an Owner may. Raises PermissionDenied, NotAMember, LastOwner."""
    at = at or clock.now()
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    before = _role_of(user, organization)
    if before == role:
        return
    if before == Role.OWNER:
        _end_ownership(organization, user, actor, at)
    Membership.objects.filter(organization=organization, user=user.pk).update(role=role)
    change = {"before": {"role": str(before)}, "after": {"role": str(role)}}
    _audit("role-changed", actor, organization, _member_subject(user), at, **change)


@transaction.atomic
def remove(
    *, organization: Organization, user: Person, actor: Actor | None, at: datetime | None = None
) -> None:
    """End a membership: an Owner may end anybody's, every member their own. The account stays.

    Raises PermissionDenied, NotAMember, LastOwner.
    """
    at = at or clock.now()
    locks.hold([organization.pk])
    roles.require(actor, Role.OBSERVER if actor == user else Role.OWNER, organization)
    before = _role_of(user, organization)
    if before == Role.OWNER:
        _end_ownership(organization, user, actor, at)
    Membership.objects.filter(organization=organization, user=user.pk).delete()
    _audit("member-removed", actor, organization, _member_subject(user), at, before={"role": str(before)})


def _set_role(
    organization: Organization,
    user: Person,
    role: Role,
    before: Role | None,
    *,
    actor: Actor | None,
    at: datetime,
) -> None:
    Membership.objects.update_or_create(organization=organization, user_id=user.pk, defaults={"role": role})
    change = {"before": {"role": str(before)} if before else None, "after": {"role": str(role)}}
    action = "role-changed" if before else "member-joined"
    _audit(action, actor, organization, _member_subject(user), at, **change)


def _role_of(user: Person, organization: Organization) -> Role:
    role = roles.role_in(user, organization)
    if role is None:
        raise NotAMember(f"{user} is no longer a member of {organization}.")
    return role


def _end_ownership(organization: Organization, user: Person, actor: Actor | None, at: datetime) -> None:
    """Prepare that this Owner becomes none, while the caller holds the organization's row.

    Their unused invitations are revoked, as only an Owner may invite. Raises LastOwner.
    """
    if Membership.objects.filter(organization=organization, role=Role.OWNER).count() == 1:
        raise LastOwner(f"{organization} needs an Owner. Make somebody else Owner first.")
    invitations.revoke_open(organization=organization, inviter=user, actor=actor, at=at)


def _member_subject(user: Person) -> tuple[str, str, str]:
    return "member", user.get_username(), user.get_full_name() or user.get_username()


def _audit(
    action: str,
    actor: Actor | None,
    organization: Organization,
    subject: tuple[str, str, str],
    at: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    facts: dict[str, Any] = {"actor": actor, "organization": organization, "subject": subject, "at": at}
    audit.record(action, before=before, after=after, **facts)
