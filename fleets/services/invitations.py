"""Invitations to an organization: a link for one person, with the role that it gives (product.md).

Every change locks the organization's row, so that of two people who act at once the second sees what the
first did. Accepting an invitation is a change of members (fleets/services/members.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
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

SESSION_KEY: Final = (
    "invitation"  # in a session: the digest, in hexadecimal, of the invitation that was opened
)
DAYS: Final = 7  # how long a link works unless its creator chooses another time


class AlreadyMember(Exception):
    """The e-mail address of a new invitation already belongs to a member."""


class InvalidInvitation(Exception):
    """The invitation was used, has expired or was revoked; the message is a sentence that tells which."""


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
    """Create an invitation for one person; with `email` only an account of that address may accept it.

    It expires after `days`. `seen` is the fingerprint of the newest invitation that the form showed ("" for
    none), so that a form sent twice creates no second one; None: not checked. Returns the invitation and
    the secret of its link, which is stored nowhere. Raises PermissionDenied if the actor is no Owner,
    ChangedMeanwhile if there is a newer invitation, AlreadyMember if a member has the address.
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
    audit.record(
        "member-invited",
        actor=actor,
        organization=organization,
        subject=_subject(invitation),
        at=at,
        after=after,
    )
    return invitation, secret


@transaction.atomic
def revoke(
    *, organization: Organization, fingerprint: str, actor: Actor | None, at: datetime | None = None
) -> bool:
    """Delete the unused invitation with this fingerprint, so that its link no longer works.

    Returns False if it was used or revoked before. Raises PermissionDenied if the actor is no Owner.
    """
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    start = bytes.fromhex(fingerprint)
    matching = Invitation.objects.filter(digest__range=(start, start.ljust(32, b"\xff")))
    invitation = matching.filter(organization=organization, used_at=None).first()
    if invitation is None:
        return False
    _revoke(invitation, actor, at or clock.now())
    return True


def revoke_open(*, organization: Organization, inviter: Person, actor: Actor | None, at: datetime) -> None:
    """Revoke the unused invitations that this member created; the caller holds the organization's row."""
    unused = Invitation.objects.filter(organization=organization, invited_by=inviter.pk, used_at=None)
    for invitation in unused.select_related("organization"):
        _revoke(invitation, actor, at)


def _revoke(invitation: Invitation, actor: Actor | None, at: datetime) -> None:
    subject = _subject(invitation)
    Invitation.objects.filter(pk=invitation.pk).delete()
    before = {"role": invitation.role, "email": invitation.email}
    audit.record(
        "invitation-revoked",
        actor=actor,
        organization=invitation.organization,
        subject=subject,
        at=at,
        before=before,
    )


def newest(organization: Organization) -> str:
    """The fingerprint of the organization's newest invitation; "" if there is none."""
    invitation = Invitation.objects.filter(organization=organization).first()
    return invitation.fingerprint if invitation else ""


def by_secret(secret: str) -> Invitation | None:
    """The invitation with this secret in its link, also one that can no longer be accepted."""
    return Invitation.objects.filter(digest__in=digests(secret)).first()


def of_session(session: Mapping[str, Any]) -> Invitation | None:
    """The invitation whose link was opened in this session, also one that can no longer be accepted."""
    digest = session.get(SESSION_KEY)
    if not digest:
        return None
    found = Invitation.objects.select_related("organization", "invited_by")
    return found.filter(digest=bytes.fromhex(digest)).first()


def pending(session: Mapping[str, Any], at: datetime | None = None) -> Invitation | None:
    """The invitation whose link was opened in this session, if it can be accepted at this moment."""
    invitation = of_session(session)
    return invitation if invitation and not why_invalid(invitation, at or clock.now()) else None


def why_invalid(invitation: Invitation, at: datetime) -> str:
    """The sentence that tells why the invitation can no longer be accepted; "" if it can be."""
    if invitation.used_at:
        return "This invitation was already used."
    if invitation.expires_at <= at:
        return "This invitation has expired."
    inviter, organization = invitation.invited_by_id, invitation.organization_id
    if inviter and not roles.still_has(inviter, Role.OWNER, organization):
        return "This invitation is no longer valid, because the account that created it is switched off."
    return ""


def is_for(invitation: Invitation, email: str) -> bool:
    """Whether an account with this e-mail address may accept the invitation.

    The addresses are compared in lower case, as accounts store them: `casefold` would take straße.example
    for strasse.example.
    """
    return not invitation.email or invitation.email.lower() == email.lower()


def requires_proof(invitation: Invitation, user: Person) -> bool:
    """Whether the person must confirm their e-mail address before they accept the invitation."""
    return bool(invitation.email) and people.must_prove(user)


def hold(invitation: Invitation, at: datetime) -> Invitation:
    """Lock the invitation's organization until the end of the transaction, and read the invitation again.

    Raises InvalidInvitation if it can no longer be accepted.
    """
    locks.hold([invitation.organization_id])
    current = Invitation.objects.select_related("organization").filter(pk=invitation.pk).first()
    if current is None or (reason := why_invalid(current, at)):
        raise InvalidInvitation("This invitation was revoked." if current is None else reason)
    return current


def _subject(invitation: Invitation) -> tuple[str, str, str]:
    # Kind, id and name as fleets.audit.record takes them.
    return "invitation", invitation.fingerprint, invitation.email or "anyone with the link"
