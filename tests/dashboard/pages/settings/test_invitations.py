"""What an invitation's link leads to."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from dashboard.models import User
from devices import clock
from fleets.access.roles import role_in
from fleets.models import Invitation, Membership, Organization, Role
from fleets.services import invitations
from tests.at_once import at_once
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
ACCEPT = "/join/"
ACCOUNT = {"username": "new", "email": "new@example.com", "password": "tangled-otter-41"}


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden Rail", slug="halden")


def link(organization: Organization, role: Role = Role.OPERATOR, email: str = "") -> str:
    owner = User.objects.filter(username="ada").first() or make_member(organization, Role.OWNER, "ada")
    _, secret = invitations.invite(organization=organization, role=role, actor=owner, email=email)
    return f"/invitations/{secret}/"


def test_the_secret_leaves_the_address_at_the_first_step(client: Client, organization: Organization) -> None:
    path = link(organization)
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, ACCEPT)
    assert "no-store" in answer.headers["Cache-Control"]
    secret = path.split("/")[2]
    assert secret not in repr(dict(client.session))
    assert secret not in client.get(ACCEPT).content.decode()
    assert Invitation.objects.get().used_at is None


def test_who_is_signed_in_joins(client: Client, organization: Organization) -> None:
    user = make_member(make_organization())
    client.force_login(user)
    page = client.get(link(organization), follow=True)
    assert "ada invites you to Halden Rail as Operator" in text_of(page)
    assert role_in(user, organization) is None  # looking joins nobody
    answer = client.post(ACCEPT, follow=True)
    assert answer.redirect_chain == [("/?org=halden", 302)]
    assert "You are now a member of Halden Rail with the role Operator." in text_of(answer)
    assert role_in(user, organization) == Role.OPERATOR
    assert invitations.SESSION_KEY not in client.session


def test_a_stranger_makes_an_account_in_the_same_step(client: Client, organization: Organization) -> None:
    page = client.get(link(organization), follow=True)
    assert f"/sign-in/?next={ACCEPT}" in page.content.decode()
    answer = client.post(ACCEPT, ACCOUNT, follow=True)
    assert answer.redirect_chain == [("/?org=halden", 302)]
    user = User.objects.get(username="new")
    assert user.check_password(ACCOUNT["password"])
    assert not user.is_staff
    assert role_in(user, organization) == Role.OPERATOR
    assert client.session["_auth_user_id"] == str(user.pk)


def test_an_invitation_survives_signing_in(client: Client, organization: Organization) -> None:
    User.objects.create_user("bob", password=ACCOUNT["password"])
    client.get(link(organization))
    client.login(username="bob", password=ACCOUNT["password"])
    assert "signed in as bob" in text_of(client.get(ACCEPT))


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"username": "ADA"}, "username"),
        ({"email": "taken@example.com"}, "email"),
        ({"password": "short"}, "password"),
    ],
)
def test_an_account_that_cannot_be_leaves_the_link_good(
    client: Client, organization: Organization, said: dict[str, str], field: str
) -> None:
    User.objects.create_user("other", "taken@example.com")
    client.get(link(organization))
    page = client.post(ACCEPT, ACCOUNT | said)
    assert f'id="id_{field}_error"' in page.content.decode()
    assert ACCOUNT["password"] not in page.content.decode()
    assert client.post(ACCEPT, ACCOUNT).status_code == 302


def test_an_invitation_for_an_address_makes_an_account_with_it(
    client: Client, organization: Organization
) -> None:
    client.get(link(organization, email="guest@example.com"))
    assert 'value="guest@example.com"' in client.get(ACCEPT).content.decode()
    client.post(ACCEPT, ACCOUNT)
    assert User.objects.get(username="new").email == "guest@example.com"
    assert Membership.objects.filter(user__email="guest@example.com", organization=organization).exists()


def test_an_invitation_for_an_address_is_not_for_another_account(
    client: Client, organization: Organization
) -> None:
    user = make_member(make_organization(), username="bob", email="bob@example.com")
    client.force_login(user)
    page = client.get(link(organization, email="guest@example.com"), follow=True)
    assert "This invitation is for guest@example.com, and you are signed in as bob@example.com" in text_of(
        page
    )
    assert client.post(ACCEPT).status_code == 410
    assert role_in(user, organization) is None
    assert Invitation.objects.get().used_at is None


def mailed_link() -> str:
    """The path of the link in the newest mail."""
    found = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


@pytest.fixture
def mailing(settings: Any) -> None:
    """A site that sends mail."""
    settings.EMAIL_HOST = "mail.example"


def test_an_invitation_for_an_address_asks_a_stranger_to_prove_it_where_mail_is_set_up(
    client: Client, organization: Organization, mailing: None
) -> None:
    path = link(organization, email="guest@example.com")
    client.get(path)
    page = client.post(ACCEPT, ACCOUNT, follow=True)
    assert "A link was sent to guest@example.com" in text_of(page)
    assert "To join, confirm that this address is yours" in text_of(page)
    user = User.objects.get(username="new")
    assert role_in(user, organization) is None
    assert Invitation.objects.get().used_at is None
    client.get(mailed_link())
    proven = client.post("/account/confirm-email/")
    assert proven["Location"] == ACCEPT
    assert "signed in as new" in text_of(client.get(ACCEPT))
    client.post(ACCEPT)
    assert role_in(user, organization) == Role.OPERATOR


def test_an_invitation_for_an_address_asks_its_account_to_prove_it_where_mail_is_set_up(
    client: Client, organization: Organization, mailing: None
) -> None:
    user = make_member(make_organization(), username="bob", email="guest@example.com")
    client.force_login(user)
    client.get(link(organization, email="guest@example.com"))
    page = client.post(ACCEPT, follow=True)
    assert "A link was sent to guest@example.com" in text_of(page)
    assert mail.outbox[-1].to == ["guest@example.com"]
    assert role_in(user, organization) is None
    User.objects.update(proven_email="guest@example.com")
    client.post(ACCEPT)
    assert role_in(user, organization) == Role.OPERATOR


def test_an_account_with_the_invitations_address_is_its_owners_after_a_reset_by_mail(
    client: Client, organization: Organization, mailing: None
) -> None:
    path = link(organization, email="guest@example.com")
    client.get(path)
    client.post(ACCEPT, ACCOUNT)  # somebody else had the link first
    owner = Client()
    owner.get(path)
    page = owner.post(ACCEPT, ACCOUNT | {"username": "guest"})
    assert "An account with this address already exists" in text_of(page)
    owner.post("/sign-in/forgotten/", {"email": "guest@example.com"})
    new = {"password1": "another-otter-42", "password2": "another-otter-42"}
    owner.post(owner.get(mailed_link())["Location"], new)
    assert client.get("/account/").status_code == 302  # signed out
    owner.post("/sign-in/", {"login": "guest@example.com", "password": "another-otter-42"})
    owner.post(ACCEPT)
    assert role_in(User.objects.get(username="new"), organization) == Role.OPERATOR


@pytest.mark.parametrize(
    ("own", "offered", "words"),
    [
        (Role.OWNER, Role.OBSERVER, "You are already Owner of Halden Rail, so the invitation was not used."),
        (Role.OPERATOR, Role.OPERATOR, "You are already Operator of Halden Rail"),
        (Role.OBSERVER, Role.OPERATOR, "Your role in Halden Rail is now Operator."),
    ],
)
def test_a_member_keeps_the_higher_role_and_is_told(
    client: Client, organization: Organization, own: Role, offered: Role, words: str
) -> None:
    user = make_member(organization, own)
    client.force_login(user)
    client.get(link(organization, offered))
    page = text_of(client.get(ACCEPT))
    assert own.label in page
    assert ("Pass it on" in page) == (own.includes(offered))
    assert words in text_of(client.post(ACCEPT, follow=True))
    assert role_in(user, organization) == max(own, offered, key=list(Role).index)


@pytest.mark.parametrize("signed_in", [True, False])
def test_a_link_that_is_no_longer_good_says_why(
    client: Client, organization: Organization, *, signed_in: bool
) -> None:
    if signed_in:
        client.force_login(make_member(make_organization()))
    path = link(organization)
    client.get(path)
    Invitation.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    for page in (client.get(ACCEPT), client.post(ACCEPT, ACCOUNT)):
        assert (page.status_code, "has expired" in text_of(page)) == (410, True)
    Invitation.objects.update(used_at=clock.now())
    assert "was already used" in text_of(client.get(path, follow=True))
    Invitation.objects.all().delete()
    for page in (client.get(ACCEPT), client.get(path, follow=True), client.post(ACCEPT, ACCOUNT)):
        assert (page.status_code, "This invitation is not valid" in text_of(page)) == (404, True)
    assert not User.objects.filter(username="new").exists()


def test_an_unknown_link_forgets_the_one_before(client: Client, organization: Organization) -> None:
    client.get(link(organization))
    assert client.get("/invitations/unknown/", follow=True).status_code == 404
    assert invitations.SESSION_KEY not in client.session


@pytest.mark.django_db(transaction=True)
def test_of_strangers_who_race_for_a_link_one_gets_an_account(many_passwords: None) -> None:
    path = link(make_organization("Halden Rail"))
    clients = [Client() for _ in range(3)]
    for client in clients:
        client.get(path)
    forms = [ACCOUNT | {"username": f"new-{n}", "email": f"{n}@example.com"} for n in range(3)]
    answers = at_once(*(partial(each.post, ACCEPT, form) for each, form in zip(clients, forms, strict=True)))
    assert sorted(getattr(each, "status_code", 0) for each in answers) == [302, 410, 410], answers
    assert User.objects.filter(username__startswith="new-").count() == 1
    assert Membership.objects.count() == 2


def test_joining_needs_a_token(organization: Organization) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.get(link(organization))
    assert careful.post(ACCEPT, ACCOUNT).status_code == 403
