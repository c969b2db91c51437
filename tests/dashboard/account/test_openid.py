"""Signing in by OpenID Connect, at a real provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from dashboard.account.openid import provider_id
from dashboard.models import User
from tests.dashboard.account.conftest import PASSWORD, Lines
from tests.dashboard.account.provider import identify, leave, running
from tests.dashboard.account.test_factors import add_app, second_step
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
CONNECTION = "/account/connection/"


@pytest.fixture(scope="module", autouse=True)
def issuer() -> Iterator[str]:
    """One provider for all, which remembers nobody who comes with another browser."""
    with running() as issuer:
        yield issuer


def come_as(name: str, client: Client, **asked: str) -> Any:
    """Go to the provider, be this person there, and come back."""
    return client.get(identify(leave(client, **asked), name), follow=True)


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def connect(client: Client, name: str) -> Any:
    """As who is signed in and confirms to be that person."""
    client.post("/account/confirm/", {"password": PASSWORD})
    return come_as(name, client, process="connect")


def prove(user: User) -> None:
    User.objects.filter(pk=user.pk).update(proven_email=user.email)


def test_there_is_a_button_where_a_provider_is_named(client: Client, settings: Any) -> None:
    assert "Sign in with Halden ID" in text_of(client.get("/sign-in/"))
    address = f"/sign-in/with/{provider_id()}/"
    settings.OIDC_ISSUER = ""
    assert "Halden ID" not in text_of(client.get("/sign-in/"))
    assert client.post(address).status_code == 404


def test_an_address_that_both_sides_have_proven_is_the_person(
    client: Client, user: User, lines: Lines
) -> None:
    prove(user)
    answer = come_as("ida", client, next="/devices/")
    assert answer.redirect_chain[-1] == ("/devices/", 302)
    assert client.session["_auth_user_id"] == str(user.pk)
    connection = {"provider": provider_id(), "as": "ida"}
    assert lines() == [
        ("ida", "sign-in-connected", connection),
        ("ida", "signed-in", {"how": "OpenID Connect"}),
    ]


def test_an_address_that_nobody_has_proven_here_leads_into_no_account(client: Client, user: User) -> None:
    # Whoever made the account may have typed somebody else's.
    assert "No account is connected yet" in text_of(come_as("ida", client))
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()


def test_an_address_that_the_provider_has_not_proven_leads_into_no_account(
    client: Client, user: User, settings: Any
) -> None:
    prove(user)
    settings.OIDC_CREATE_ACCOUNTS = True
    for stranger in ("eve", "shy"):
        assert "No account is connected yet" in text_of(come_as(stranger, client))
    assert not is_signed_in(client)
    assert list(User.objects.all()) == [user]


def test_who_is_signed_in_connects_and_signs_in_with_it_from_then_on(
    signed_in: Client, user: User, lines: Lines
) -> None:
    assert "It is connected" in text_of(connect(signed_in, "eve"))
    assert ("ida", "sign-in-connected", {"provider": provider_id(), "as": "eve"}) in lines()
    guest = Client()
    come_as("eve", guest)
    assert guest.session["_auth_user_id"] == str(user.pk)


def test_connecting_asks_who_it_is(signed_in: Client) -> None:
    answer = come_as("ida", signed_in, process="connect")
    assert answer.redirect_chain[-1][0] == "/account/confirm/"
    assert not SocialAccount.objects.exists()
    signed_in.post("/account/confirm/", {"password": PASSWORD})
    assert SocialAccount.objects.get().uid == "ida"


def test_none_is_connected_before_the_accounts_address_is_shown_to_be_the_persons(
    signed_in: Client, user: User, mailing: None
) -> None:
    assert "Nothing was added. Confirm your e-mail address first." in text_of(connect(signed_in, "eve"))
    assert not SocialAccount.objects.exists()
    assert "Confirm your e-mail address first" in text_of(signed_in.get(CONNECTION))
    prove(user)
    assert "It is connected" in text_of(connect(signed_in, "eve"))


def test_what_another_account_has_is_not_taken_over(signed_in: Client, user: User) -> None:
    make_member(make_organization(), username="bob", password=PASSWORD)
    bob = Client()
    bob.post("/sign-in/", {"login": "bob", "password": PASSWORD})
    connect(bob, "ida")
    assert "it is connected to another account" in text_of(connect(signed_in, "ida"))
    assert SocialAccount.objects.get().user.username == "bob"


def test_a_second_factor_is_asked_for_all_the_same(signed_in: Client, user: User) -> None:
    phone = add_app(signed_in)
    connect(signed_in, "ida")
    guest = Client()
    assert come_as("ida", guest).redirect_chain[-1][0] == "/sign-in/second-factor/"
    assert not is_signed_in(guest)
    assert second_step(guest, phone.code()) == "/"


def test_accounts_are_made_where_the_site_wants_that(client: Client, user: User, settings: Any) -> None:
    assert "No account is connected yet" in text_of(come_as("new", client))
    settings.OIDC_CREATE_ACCOUNTS = True
    come_as("new", client)
    made = User.objects.exclude(pk=user.pk).get()
    assert (made.email, made.email_is_proven) == ("new@example.org", True)
    assert "@" not in made.username  # what it calls itself there is Ida's address here
    assert not made.has_usable_password()
    assert client.session["_auth_user_id"] == str(made.pk)
    assert "You belong to no organization yet" in text_of(client.get("/settings/"))


def test_a_new_account_of_a_name_that_is_taken_gets_a_number_behind_it(client: Client, settings: Any) -> None:
    settings.OIDC_CREATE_ACCOUNTS = True
    taken = User.objects.create_user("Stra\u00dfe")
    come_as("strasse", client)
    assert is_signed_in(client)
    user = User.objects.exclude(pk=taken.pk).get()
    assert (user.username, user.email) == ("strasse-2", "str@example.org")


@pytest.mark.parametrize("field", ["next", "process"])
def test_what_no_page_of_ours_says_is_not_kept(client: Client, field: str) -> None:
    answer = client.post(f"/sign-in/with/{provider_id()}/", {field: "/" + "a" * 100_000})
    assert answer.status_code == 400
    assert "sessionid" not in client.cookies


def test_nobody_who_is_switched_off_comes_in(signed_in: Client, user: User) -> None:
    connect(signed_in, "ida")
    User.objects.update(is_active=False)
    guest = Client()
    assert "This account is switched off" in text_of(come_as("ida", guest))
    assert not is_signed_in(guest)


def test_it_is_disconnected_unless_nothing_else_signs_in(signed_in: Client, user: User, lines: Lines) -> None:
    connect(signed_in, "ida")
    form = {"account": str(SocialAccount.objects.get().pk)}
    assert "It is disconnected" in text_of(signed_in.post(CONNECTION, form, follow=True))
    assert lines()[-1][:2] == ("ida", "sign-in-disconnected")
    connect(signed_in, "ida")
    form = {"account": str(SocialAccount.objects.get().pk)}
    user.set_unusable_password()
    user.save()
    signed_in.force_login(user)
    assert "Set a password first" in text_of(signed_in.post(CONNECTION, form))
    assert SocialAccount.objects.exists()


def test_an_answer_that_nobody_asked_for_signs_nobody_in(client: Client, user: User) -> None:
    prove(user)
    back = identify(leave(client), "ida")
    other = Client()
    assert "Signing in did not work" in text_of(other.get(back))
    assert not is_signed_in(other)
    come_back = client.get(back)
    assert come_back.status_code == 302
    assert "Signing in did not work" in text_of(Client().get(back))


def test_another_issuers_people_are_others(client: Client, user: User, signed_in: Client) -> None:
    connect(signed_in, "ida")
    SocialAccount.objects.update(provider="oidc-of-before")
    guest = Client()
    assert "No account is connected yet" in text_of(come_as("ida", guest))


def test_a_provider_that_does_not_answer_is_told_of(client: Client, settings: Any) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    page = client.post(f"/sign-in/with/{provider_id()}/")
    assert "Signing in did not work" in text_of(page)


def test_the_way_there_is_a_page_as_the_content_policy_lets_no_form_lead_elsewhere(client: Client) -> None:
    page = client.post(f"/sign-in/with/{provider_id()}/")
    assert page.status_code == 200
    assert "form-action 'self'" in page["Content-Security-Policy"]
    assert "code_challenge_method=S256" in leave(client)
    assert client.get(f"/sign-in/with/{provider_id()}/").status_code == 405
