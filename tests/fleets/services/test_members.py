"""Members and invitations (fleets/services/members.py)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from pytest_django import Settings

from dashboard.models import User
from fleets.access import roles
from fleets.models import AuditEntry, Invitation, Membership, Organization, Role
from fleets.services import invitations, members
from tests.at_once import at_once
from tests.factories import T0, make_member, make_organization, seconds

pytestmark = pytest.mark.django_db
BELOW_OWNER = [Role.OBSERVER, Role.OPERATOR, Role.ADMINISTRATOR]
WEEK = timedelta(days=7)


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden")


@pytest.fixture
def owner(organization: Organization) -> User:
    return make_member(organization, Role.OWNER, "ada")


@pytest.fixture
def guest() -> User:
    return User.objects.create_user("guest", "guest@example.com")


def invited(organization: Organization, role: Role = Role.OPERATOR, email: str = "") -> Invitation:
    return invitations.invite(organization=organization, role=role, actor=None, email=email, at=T0)[0]


def actions() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "actor_name", "subject_name"))


def test_a_link_is_kept_as_a_digest_and_expires_in_a_week(organization: Organization, owner: User) -> None:
    invitation, secret = invitations.invite(organization=organization, role=Role.OPERATOR, actor=owner, at=T0)
    row = Invitation.objects.values().get()
    assert secret not in repr(row)
    assert (row["role"], row["email"], row["invited_by_id"]) == ("operator", "", owner.pk)
    assert (row["created_at"], row["expires_at"], row["used_at"]) == (T0, T0 + WEEK, None)
    assert invitations.by_secret(secret) == invitation
    assert invitations.by_secret(secret + "x") is None
    assert actions() == [("member-invited", "ada", "anyone with the link")]
    assert secret not in repr(list(AuditEntry.objects.values()))


def test_a_link_outlives_a_new_pepper(organization: Organization, settings: Settings) -> None:
    invitation, secret = invitations.invite(organization=organization, role=Role.OPERATOR, actor=None)
    settings.KEY_PEPPER = ["new" * 20, *settings.KEY_PEPPER]
    assert invitations.by_secret(secret) == invitation


@pytest.mark.parametrize("role", BELOW_OWNER)
def test_only_owners_change_who_belongs(organization: Organization, owner: User, role: Role) -> None:
    invitation = invited(organization)
    for actor in (make_member(organization, role), make_member(make_organization(), Role.OWNER)):
        with pytest.raises(PermissionDenied):
            invitations.invite(organization=organization, role=Role.OBSERVER, actor=actor)
        with pytest.raises(PermissionDenied):
            invitations.revoke(organization=organization, fingerprint=invitation.fingerprint, actor=actor)
        with pytest.raises(PermissionDenied):
            members.change_role(organization=organization, user=owner, role=Role.OBSERVER, actor=actor)
        with pytest.raises(PermissionDenied):
            members.remove(organization=organization, user=owner, actor=actor)
    assert len(actions()) == 1


def test_an_invitation_makes_a_member_once(organization: Organization, guest: User) -> None:
    invitation = invited(organization)
    joined = members.accept(invitation=invitation, user=guest, at=T0 + seconds(5))
    assert joined == members.Joined(organization, Role.OPERATOR, None)
    assert roles.role_in(guest, organization) == Role.OPERATOR
    row = Invitation.objects.get()
    assert (row.used_at, row.used_by) == (T0 + seconds(5), guest)
    with pytest.raises(invitations.InvalidInvitation, match="already used"):
        members.accept(invitation=invitation, user=User.objects.create_user("late"), at=T0 + seconds(6))
    assert actions()[1:] == [("member-joined", "guest", "guest")]


def test_an_invitation_is_good_until_it_expires(organization: Organization, guest: User) -> None:
    invitation = invited(organization)
    assert invitations.why_invalid(invitation, T0 + WEEK - seconds(1)) == ""
    with pytest.raises(invitations.InvalidInvitation, match="expired"):
        members.accept(invitation=invitation, user=guest, at=T0 + WEEK)
    assert roles.role_in(guest, organization) is None


def test_a_session_remembers_an_invitation_as_long_as_it_is_good(
    organization: Organization, guest: User
) -> None:
    invitation = invited(organization)
    session = {invitations.SESSION_KEY: bytes(invitation.digest).hex()}
    assert invitations.pending({}, T0) is None
    assert invitations.pending({invitations.SESSION_KEY: "00"}, T0) is None
    assert invitations.pending(session, T0) == invitation
    assert invitations.pending(session, T0 + WEEK) is None
    members.accept(invitation=invitation, user=guest, at=T0)
    assert invitations.pending(session, T0) is None
    assert invitations.of_session(session) == invitation


def test_a_revoked_link_is_good_for_nothing(organization: Organization, owner: User, guest: User) -> None:
    invitation = invited(organization, email="guest@example.com")
    other = make_organization()
    name = invitation.fingerprint
    assert not invitations.revoke(organization=other, fingerprint=name, actor=None)  # not that organization's
    assert invitations.revoke(organization=organization, fingerprint=name, actor=owner)
    assert not invitations.revoke(organization=organization, fingerprint=name, actor=owner)
    with pytest.raises(invitations.InvalidInvitation, match="revoked"):
        members.accept(invitation=invitation, user=guest, at=T0)
    assert actions()[1:] == [("invitation-revoked", "ada", "guest@example.com")]


def test_a_used_link_cannot_be_revoked(organization: Organization, owner: User, guest: User) -> None:
    invitation = invited(organization)
    members.accept(invitation=invitation, user=guest, at=T0)
    assert not invitations.revoke(organization=organization, fingerprint=invitation.fingerprint, actor=owner)


def test_an_invitation_for_an_address_is_for_its_account_alone(
    organization: Organization, guest: User
) -> None:
    invitation = invited(organization, email="Guest@Example.com")
    other = User.objects.create_user("other", "other@example.com")
    for user in (other, User.objects.create_user("none")):
        with pytest.raises(members.OtherAddress, match=r"for Guest@Example\.com"):
            members.accept(invitation=invitation, user=user, at=T0)
    assert members.accept(invitation=invitation, user=guest, at=T0).role == Role.OPERATOR


def test_an_invitation_is_not_for_an_address_of_another_domain_that_folds_to_the_same(
    organization: Organization,
) -> None:
    invitation = invited(organization, email="guest@straße.example")
    other = User.objects.create_user("other", "guest@strasse.example")
    with pytest.raises(members.OtherAddress):
        members.accept(invitation=invitation, user=other, at=T0)


def test_an_invitation_of_an_account_that_is_switched_off_or_deleted_is_good_no_more(
    organization: Organization, owner: User, guest: User
) -> None:
    invitation, secret = invitations.invite(organization=organization, role=Role.OWNER, actor=owner, at=T0)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    with pytest.raises(invitations.InvalidInvitation, match="switched off"):
        members.accept(invitation=invitation, user=guest, at=T0)
    owner.delete()
    assert invitations.by_secret(secret) is None


def test_who_is_a_member_is_not_invited_by_address(organization: Organization, owner: User) -> None:
    make_member(organization, email="guest@example.com")
    with pytest.raises(invitations.AlreadyMember):
        invitations.invite(organization=organization, role=Role.OWNER, actor=owner, email="Guest@example.com")


@pytest.mark.parametrize(("own", "offered"), [(Role.OWNER, Role.OBSERVER), (Role.OPERATOR, Role.OPERATOR)])
def test_a_member_keeps_the_higher_role_and_the_link_stays(
    organization: Organization, own: Role, offered: Role, guest: User
) -> None:
    member = make_member(organization, own)
    invitation = invited(organization, offered)
    assert members.accept(invitation=invitation, user=member, at=T0) == members.Joined(organization, own, own)
    assert roles.role_in(member, organization) == own
    assert len(actions()) == 1
    assert members.accept(invitation=invitation, user=guest, at=T0).role == offered


def test_a_member_rises_to_the_role_of_an_invitation(organization: Organization) -> None:
    member = make_member(organization, Role.OBSERVER, "bob")
    joined = members.accept(invitation=invited(organization), user=member, at=T0)
    assert joined == members.Joined(organization, Role.OPERATOR, Role.OBSERVER)
    entry = AuditEntry.objects.get(action="role-changed")
    assert (entry.actor_name, entry.before, entry.after) == (
        "bob",
        {"role": "observer"},
        {"role": "operator"},
    )


def test_owners_change_roles(organization: Organization, owner: User) -> None:
    member = make_member(organization, Role.OBSERVER, "bob")
    for before, after in pairwise([Role.OBSERVER, Role.OWNER, Role.OPERATOR]):
        members.change_role(organization=organization, user=member, role=after, actor=owner, at=T0)
        assert roles.role_in(member, organization) == after
        entry = AuditEntry.objects.latest("pk")
        assert (entry.action, entry.before, entry.after) == (
            "role-changed",
            {"role": str(before)},
            {"role": str(after)},
        )
    members.change_role(organization=organization, user=member, role=Role.OPERATOR, actor=owner)
    assert len(actions()) == 2  # nothing changed


def test_members_leave_and_are_removed(organization: Organization, owner: User) -> None:
    leaver, removed = make_member(organization, username="bob"), make_member(organization, username="eve")
    members.remove(organization=organization, user=leaver, actor=leaver)
    members.remove(organization=organization, user=removed, actor=owner)
    assert list(Membership.objects.values_list("user", flat=True)) == [owner.pk]
    assert actions() == [("member-removed", "bob", "bob"), ("member-removed", "ada", "eve")]
    with pytest.raises(members.NotAMember):
        members.remove(organization=organization, user=removed, actor=owner)
    with pytest.raises(members.NotAMember):
        members.change_role(organization=organization, user=removed, role=Role.OWNER, actor=owner)


def test_the_last_owner_stays_owner(organization: Organization, owner: User) -> None:
    make_member(organization, Role.ADMINISTRATOR)
    make_member(make_organization(), Role.OWNER)
    for actor in (owner, None):
        with pytest.raises(members.LastOwner, match="Halden needs an Owner"):
            members.remove(organization=organization, user=owner, actor=actor)
        with pytest.raises(members.LastOwner):
            members.change_role(organization=organization, user=owner, role=Role.OPERATOR, actor=actor)
    assert actions() == []


def test_the_console_makes_an_owner_where_none_can_be_reached(
    organization: Organization, guest: User, capsys: pytest.CaptureFixture[str]
) -> None:
    member = make_member(organization, Role.OBSERVER, "bob")
    slug = organization.slug
    for name in ("bob", "guest", "guest"):
        call_command("make_owner", slug, name)
    assert roles.role_in(member, organization) == roles.role_in(guest, organization) == Role.OWNER
    assert actions() == [("role-changed", "the console", "bob"), ("member-joined", "the console", "guest")]
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{who} of Halden{end}." for who, end in SAID]
    with pytest.raises(CommandError, match="There is no organization nowhere"):
        call_command("make_owner", "nowhere", "bob")
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("make_owner", slug, "nobody")


SAID = [("bob is now Owner", ""), ("guest is now Owner", ""), ("guest is already Owner", "")]


@pytest.mark.parametrize("lowered", [True, False])
def test_the_links_of_an_owner_end_with_the_ownership(
    organization: Organization, owner: User, guest: User, *, lowered: bool
) -> None:
    other = make_member(organization, Role.OWNER)
    by_both = [
        invitations.invite(organization=organization, role=Role.OWNER, actor=actor, at=T0)[0]
        for actor in (other, owner)
    ]
    if lowered:
        members.change_role(organization=organization, user=other, role=Role.OBSERVER, actor=owner)
    else:
        members.remove(organization=organization, user=other, actor=owner)
    assert list(Invitation.objects.all()) == by_both[1:]
    assert [action for action, *_ in actions()].count("invitation-revoked") == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_race_for_a_link_one_wins() -> None:
    organization = make_organization()
    people = [User.objects.create_user(f"person-{number}") for number in range(5)]
    invitation = invited(organization)
    answers = at_once(*(partial(members.accept, invitation=invitation, user=each, at=T0) for each in people))
    assert [type(each) for each in answers].count(members.Joined) == 1, answers
    assert [type(each) for each in answers].count(invitations.InvalidInvitation) == 4, answers
    assert Membership.objects.count() == 1
    assert AuditEntry.objects.filter(action="member-joined").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("leaving", [True, False])
def test_of_two_owners_who_go_at_once_one_stays(*, leaving: bool) -> None:
    organization = make_organization()
    one, two = (make_member(organization, Role.OWNER) for _ in range(2))
    if leaving:
        calls = [
            partial(members.remove, organization=organization, user=each, actor=each) for each in (one, two)
        ]
    else:
        lower = partial(members.change_role, organization=organization, role=Role.OBSERVER)
        calls = [partial(lower, user=two, actor=one), partial(lower, user=one, actor=two)]
    answers = at_once(*calls)
    refused = members.LastOwner if leaving else PermissionDenied
    assert {type(each) for each in answers} == {type(None), refused}, answers
    assert Membership.objects.filter(role=Role.OWNER).count() == 1
