"""Who belongs to an organization: invited by a link, with a role that Owners change (product.md).

Every change holds the organization's row, so that two who act at once see what the other did: an
organization always keeps an Owner, and a link makes one member.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from fleets import audit
from fleets.access import locks, people, roles
from fleets.access.digests import digests
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Invitation, Membership, Organization, Role
from fleets.postgres import clock

if TYPE_CHECKING:
    from fleets.actor import Actor, Person

SESSION_KEY: Final = "invitation"  # in a session: the digest of the invitation that its person opened
DAYS: Final = 7  # how long a link is good unless its maker says otherwise


class LastOwner(Exception):
    """An organization keeps an Owner: the last one can neither leave nor be lowered."""


class NotAMember(Exception):
    """The person left meanwhile, or was removed."""


class AlreadyMember(Exception):
    """A member has the e-mail address that an invitation is for."""


class NotGood(Exception):
    """The invitation was used, has expired or was revoked. Its text says which."""


class OtherAddress(Exception):
    """The invitation is for another e-mail address than the account's."""


class UnprovenAddress(Exception):
    """The invitation is for the account's e-mail address, which is not shown to be the person's yet."""


@dataclass(frozen=True)
class Joined:
    """What accepting an invitation did: a person who was a member keeps the higher role."""

    organization: Organization
    role: Role
    before: Role | None


@transaction.atomic
def invite(
    *,
    organization: Organization,
    role: Role,
    actor: Actor | None,
    email: str = "",
    days: int = DAYS,
    seen: str | None = None,
    at: datetime | None = None,
) -> tuple[Invitation, str]:
    """A link for one person, and for one e-mail address where it is given; its secret is shown once.

    `seen` is the fingerprint of the newest invitation known to who asks ("": none), so that asking twice
    creates no second one. Raises PermissionDenied, ChangedMeanwhile, AlreadyMember.
    """
    at = at or clock.now()
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    if seen is not None and seen != newest(organization):
        raise ChangedMeanwhile("The newest invitation")
    if email and Membership.objects.filter(organization=organization, user__email__iexact=email).exists():
        raise AlreadyMember(f"{email} already belongs to a member.")
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        organization=organization,
        role=role,
        email=email,
        digest=digests(secret)[0],
        invited_by_id=actor.pk if actor else None,
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    after = {"role": str(role), "email": email, "expires": invitation.expires_at.isoformat()}
    _audit("member-invited", actor, organization, _invitation_subject(invitation), at, after=after)
    return invitation, secret


@transaction.atomic
def revoke(
    *, organization: Organization, named: str, actor: Actor | None, at: datetime | None = None
) -> bool:
    """Make the link of this fingerprint good for nothing; false where it was used or revoked before.

    Raises PermissionDenied.
    """
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    start = bytes.fromhex(named)
    named_so = Invitation.objects.filter(digest__range=(start, start.ljust(32, b"\xff")))
    invitation = named_so.filter(organization=organization, used_at=None).first()
    if invitation is None:
        return False
    _revoke(invitation, actor, at or clock.now())
    return True


def _revoke(invitation: Invitation, actor: Actor | None, at: datetime) -> None:
    subject = _invitation_subject(invitation)
    Invitation.objects.filter(pk=invitation.pk).delete()
    before = {"role": invitation.role, "email": invitation.email}
    _audit("invitation-revoked", actor, invitation.organization, subject, at, before=before)


def newest(organization: Organization) -> str:
    """The fingerprint of the organization's newest invitation; empty where there is none."""
    invitation = Invitation.objects.filter(organization=organization).first()
    return invitation.fingerprint if invitation else ""


def opened(secret: str) -> Invitation | None:
    """The invitation whose link this is, good or not."""
    return Invitation.objects.filter(digest__in=digests(secret)).first()


def remembered(session: Mapping[str, Any]) -> Invitation | None:
    """The invitation that the person of this session opened, good or not."""
    digest = session.get(SESSION_KEY)
    if not digest:
        return None
    found = Invitation.objects.select_related("organization", "invited_by")
    return found.filter(digest=bytes.fromhex(digest)).first()


def pending_invitation(session: Mapping[str, Any], at: datetime | None = None) -> Invitation | None:
    """The invitation that the person of this session opened, if it can still be accepted."""
    invitation = remembered(session)
    return invitation if invitation and not fault(invitation, at or clock.now()) else None


def fault(invitation: Invitation, at: datetime) -> str:
    """Why the invitation can no longer be accepted, as a sentence; empty where it can."""
    if invitation.used_at:
        return "This invitation was already used."
    if invitation.expires_at <= at:
        return "This invitation has expired."
    inviter, organization = invitation.invited_by_id, invitation.organization_id
    if inviter and not roles.still_has(inviter, Role.OWNER, organization):
        return "This invitation is no longer valid, because the account that created it is switched off."
    return ""


def suits(invitation: Invitation, email: str) -> bool:
    """Whether an account with this e-mail address may accept the invitation.

    In lower case, as an account's is: casefold would take straße.example for strasse.example.
    """
    return not invitation.email or invitation.email.lower() == email.lower()


def asks_for_proof(invitation: Invitation, user: Person) -> bool:
    """Whether the person must first show that the address of the invitation is theirs."""
    return bool(invitation.email) and people.must_prove(user)


def hold(invitation: Invitation, at: datetime) -> Invitation:
    """The invitation as it stands, within the caller's transaction. Raises NotGood."""
    locks.hold([invitation.organization_id])
    current = Invitation.objects.select_related("organization").filter(pk=invitation.pk).first()
    if current is None or (wrong := fault(current, at)):
        raise NotGood("This invitation was revoked." if current is None else wrong)
    return current


@transaction.atomic
def accept(*, invitation: Invitation, user: Person, at: datetime | None = None) -> Joined:
    """Make the person a member, once. Who is a member already keeps the higher role.

    A link that gives its person nothing is not used up. Raises NotGood, OtherAddress, UnprovenAddress.
    """
    at = at or clock.now()
    current = hold(invitation, at)
    if not suits(current, user.email):
        raise OtherAddress(f"This invitation is for {current.email}.")
    if asks_for_proof(current, user):
        raise UnprovenAddress(f"This invitation is for {current.email}. Confirm that this address is yours.")
    organization, role = current.organization, Role(current.role)
    before = roles.role_in(user, organization)
    if before and before.includes(role):
        return Joined(organization, before, before)
    Invitation.objects.filter(pk=current.pk).update(used_at=at, used_by=user.pk)
    _give(organization, user, role, before, actor=user, at=at)
    return Joined(organization, role, before)


@transaction.atomic
def make_owner(*, organization: Organization, user: Person, at: datetime | None = None) -> bool:
    """The site itself makes somebody Owner, member or not: where no Owner can be reached any more.

    False where they are Owner already.
    """
    locks.hold([organization.pk])
    before = roles.role_in(user, organization)
    if before == Role.OWNER:
        return False
    _give(organization, user, Role.OWNER, before, actor=None, at=at or clock.now())
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
    """Give a member another role. Raises PermissionDenied, NotAMember, LastOwner."""
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
    """End a membership: an Owner anybody's, everybody their own. The account stays.

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


def _give(
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
    """An Owner is about to be none; the organization is held.

    Their open links end with their right to make any. Raises LastOwner.
    """
    if Membership.objects.filter(organization=organization, role=Role.OWNER).count() == 1:
        raise LastOwner(f"{organization} needs an Owner. Make somebody else Owner first.")
    open_ones = Invitation.objects.filter(organization=organization, invited_by=user.pk, used_at=None)
    for invitation in open_ones.select_related("organization"):
        _revoke(invitation, actor, at)


def _member_subject(user: Person) -> tuple[str, str, str]:
    return "member", user.get_username(), user.get_full_name() or user.get_username()


def _invitation_subject(invitation: Invitation) -> tuple[str, str, str]:
    return "invitation", invitation.fingerprint, invitation.email or "anyone with the link"


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
