"""The members of an organization: who sees what, and who changes it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from fleets.access.roles import role_in
from fleets.models import Invitation, Membership, Organization, Role
from fleets.services import invitations
from tests.factories import T0, make_member, make_organization
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
# session, person, organizations, clock, fleets, count, members; to Owners the invitations
QUERIES = 8
PATH = "/settings/halden/members/"
BELOW_OWNER = [Role.OBSERVER, Role.OPERATOR, Role.ADMINISTRATOR]


def read(answer: Any) -> str:
    return str(answer.content.decode())


def path_of(user: User) -> str:
    return f"{PATH}{user.memberships.get().pk}/"


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden Rail", slug="halden")


@pytest.fixture
def owner(client: Client, organization: Organization) -> User:
    user = make_member(organization, Role.OWNER, "ada", email="ada@example.com")
    client.force_login(user)
    return user


@pytest.fixture
def bob(organization: Organization) -> User:
    facts = {"email": "bob@example.com", "first_name": "Bob", "last_name": "Bee", "last_login": T0}
    return make_member(organization, Role.OPERATOR, "bob", **facts)


def test_owners_see_members_with_role_and_last_sign_in(client: Client, owner: User, bob: User) -> None:
    make_member(make_organization(), username="stranger")
    words = text_of(client.get(PATH))
    assert re.search(r"ada \(you\) ada@example.com Owner Last sign-in", words)
    assert re.search(r"Bob Bee bob bob@example.com Operator Last sign-in \d+ \w+ ago", words)
    assert "stranger" not in words


@pytest.mark.parametrize("role", BELOW_OWNER)
def test_other_members_see_who_is_there_and_no_more(
    client: Client, organization: Organization, owner: User, bob: User, role: Role
) -> None:
    invitations.invite(organization=organization, role=role, actor=owner, email="new@example.com")
    client.force_login(make_member(organization, role, "eve"))
    page = client.get(PATH)
    words = text_of(page)
    assert "ada Owner" in words
    assert "Bob Bee bob Operator" in words
    for hidden in ("example.com", "Last sign-in", "Invite", "Change", "Open invitations"):
        assert hidden not in words
    for path in (f"{PATH}invite/", path_of(bob)):
        assert client.get(path).status_code == 403
        assert client.post(path, {"role": "owner", "days": "7"}).status_code == 403
    assert client.post(f"{path_of(bob)}remove/").status_code == 403
    assert role_in(bob, organization) == Role.OPERATOR
    assert Invitation.objects.count() == 1


@pytest.mark.parametrize("rows", [1, 30])
def test_a_long_list_costs_no_more_queries(
    client: Client,
    organization: Organization,
    owner: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    for _ in range(rows):
        make_member(organization)
        invitations.invite(organization=organization, role=Role.OBSERVER, actor=owner)
    with django_assert_num_queries(QUERIES):
        html = html_of(client.get(PATH))
    assert html.count(">Change…<") == rows + 1
    assert html.count(">Revoke…<") == rows


def test_many_members_come_in_pages(client: Client, organization: Organization, owner: User) -> None:
    for number in range(50):
        make_member(organization, username=f"person-{number:02}")
    assert "1\u201350 of 51" in text_of(client.get(PATH))
    assert "person-49" in text_of(client.get(f"{PATH}?page=2"))


def test_an_owner_changes_a_role(client: Client, organization: Organization, owner: User, bob: User) -> None:
    page = client.get(path_of(bob))
    assert re.search(r'value="operator"[^>]* checked', page.content.decode())
    answer = client.post(path_of(bob), {"role": "administrator"}, follow=True)
    assert answer.redirect_chain == [(PATH, 302)]
    assert "bob is now Administrator" in text_of(answer)
    assert role_in(bob, organization) == Role.ADMINISTRATOR
    assert "Nothing was saved" in text_of(client.post(path_of(bob), {"role": "emperor"}))


def test_an_owner_removes_a_member(
    client: Client, organization: Organization, owner: User, bob: User
) -> None:
    path = f"{path_of(bob)}remove/"
    answer = client.post(path, follow=True)
    assert answer.redirect_chain == [(PATH, 302)]
    assert "bob is no longer a member of Halden Rail" in text_of(answer)
    assert role_in(bob, organization) is None
    assert client.post(path).status_code == 404


def test_the_last_owner_is_told_why_they_stay(
    client: Client, organization: Organization, owner: User, bob: User
) -> None:
    words = "Halden Rail needs an Owner"
    assert words in text_of(client.post(path_of(owner), {"role": "observer"}))
    assert words in text_of(client.post(f"{path_of(owner)}remove/", follow=True))
    assert words in text_of(client.post("/settings/halden/leave/"))
    assert role_in(owner, organization) == Role.OWNER


@pytest.mark.parametrize("username", ["invite", "..", ".", "remove", "+", "@", "1"])
def test_a_member_of_any_name_is_lowered_and_removed(
    client: Client, organization: Organization, owner: User, username: str
) -> None:
    member = make_member(organization, Role.OWNER, username)
    found = re.search(
        rf'href="({PATH}[^"]+)">Change…<[^>]*><bdi>{re.escape(username)}<', html_of(client.get(PATH))
    )
    assert found
    path = found[1]
    assert client.post(path, {"role": "observer"}).status_code == 302
    assert role_in(member, organization) == Role.OBSERVER
    removal = re.search(r'action="([^"]+/remove/)"', read(client.get(path)))
    assert removal
    assert client.post(removal[1]).status_code == 302
    assert role_in(member, organization) is None


def test_the_number_of_another_organizations_member_is_no_page(client: Client, owner: User) -> None:
    stranger = make_member(make_organization())
    for path in (path_of(stranger), f"{PATH}{10**30}/"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("role", Role)
def test_members_leave(client: Client, organization: Organization, owner: User, role: Role) -> None:
    user = make_member(organization, role)
    client.force_login(user)
    assert "You will no longer see" in text_of(client.get("/settings/halden/leave/"))
    answer = client.post("/settings/halden/leave/", follow=True)
    assert answer.redirect_chain == [("/settings/", 302)]
    assert "You left Halden Rail" in text_of(answer)
    assert list(Membership.objects.values_list("user", flat=True)) == [owner.pk]
    assert client.get("/settings/halden/").status_code == 404


def test_an_owner_who_removes_herself_comes_to_her_other_organizations(
    client: Client, organization: Organization, owner: User
) -> None:
    make_member(organization, Role.OWNER)
    assert client.post(f"{path_of(owner)}remove/").headers["Location"] == "/settings/"


def test_a_link_is_shown_once(client: Client, owner: User) -> None:
    page = client.get(f"{PATH}invite/")
    assert "Can also delete devices" in text_of(page)
    form = {"email": "new@example.com", "role": "operator", "days": "7", "newest": ""}
    answer = client.post(f"{PATH}invite/", form)
    found = re.search(r'id="new-link">http://testserver/invitations/([\w-]{43})/<', answer.content.decode())
    assert found
    assert "no-store" in answer.headers["Cache-Control"]
    opened = invitations.by_secret(found.group(1))
    assert opened
    assert (opened.role, opened.email, opened.invited_by) == ("operator", "new@example.com", owner)
    assert round((opened.expires_at - opened.created_at).total_seconds()) == 7 * 24 * 3600
    again = client.post(f"{PATH}invite/", form, follow=True)  # the answer loaded again
    assert "No link was created" in text_of(again)
    assert Invitation.objects.count() == 1
    listed = text_of(client.get(PATH))
    assert "new@example.com by ada" in listed
    assert found.group(1) not in listed


@pytest.mark.parametrize(
    ("said", "field"), [({"email": "x"}, "email"), ({"role": "x"}, "role"), ({"days": "9999"}, "days")]
)
def test_a_form_that_cannot_be_makes_no_link(
    client: Client, owner: User, said: dict[str, str], field: str
) -> None:
    form = {"email": "", "role": "operator", "days": "7", "newest": ""}
    page = client.post(f"{PATH}invite/", form | said)
    assert f'id="id_{field}_error"' in page.content.decode()
    assert not Invitation.objects.exists()


def test_a_member_is_not_invited_again(client: Client, owner: User, bob: User) -> None:
    form = {"email": "BOB@example.com", "role": "operator", "days": "7", "newest": ""}
    assert "already belongs to a member" in text_of(client.post(f"{PATH}invite/", form))


def test_an_owner_revokes_a_link(client: Client, organization: Organization, owner: User) -> None:
    invitation, _ = invitations.invite(organization=organization, role=Role.OBSERVER, actor=owner)
    path = f"/settings/halden/invitations/{invitation.fingerprint}/revoke/"
    assert client.get(path).status_code == 405
    assert "The invitation was revoked" in text_of(client.post(path, follow=True))
    assert not Invitation.objects.exists()
    assert "Nothing was revoked" in text_of(client.post(path, follow=True))
    assert "No open invitations" in text_of(client.get(PATH))


def test_strangers_find_nothing(client: Client, organization: Organization, bob: User) -> None:
    invitation, _ = invitations.invite(organization=organization, role=Role.OBSERVER, actor=None)
    revoke = f"/settings/halden/invitations/{invitation.fingerprint}/revoke/"
    client.force_login(make_member(make_organization(), Role.OWNER))
    for path in (PATH, f"{PATH}invite/", path_of(bob), "/settings/halden/leave/"):
        assert client.get(path).status_code == 404
    for path in (f"{PATH}invite/", path_of(bob), f"{path_of(bob)}remove/", revoke):
        assert client.post(path, {"role": "owner"}).status_code == 404
    client.logout()
    assert client.get(PATH).headers["Location"].startswith("/sign-in/?next=")
    assert Invitation.objects.exists()
