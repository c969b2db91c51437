"""Changing one's password, and a forgotten one."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client

from dashboard.account import address
from dashboard.models import User
from dashboard.server.logs import WithoutQuery
from tests.at_once import WAIT, held_open, in_background
from tests.dashboard.account.conftest import FORGOTTEN, PASSWORD, Lines, mailed_link, reset_password
from tests.dashboard.account.test_factors import add_app
from tests.pages import text_of

pytestmark = pytest.mark.django_db
NEW = "tangled-otter-41"
NEW_ONE = {"password1": NEW, "password2": NEW}


def sign_in(password: str) -> bool:
    answer = Client().post("/sign-in/", {"login": "ida", "password": password})
    return answer.status_code == 302


def test_it_is_changed_by_who_knows_the_old_one(signed_in: Client, lines: Lines) -> None:
    elsewhere = Client()
    elsewhere.post("/sign-in/", {"login": "ida", "password": PASSWORD})
    answer = signed_in.post("/account/password/", {"oldpassword": PASSWORD, **NEW_ONE}, follow=True)
    assert "The password is changed. Sessions elsewhere were ended." in text_of(answer)
    assert (sign_in(NEW), sign_in(PASSWORD)) == (True, False)
    assert elsewhere.get("/account/")["Location"].startswith("/sign-in/")
    assert ("ida", "password-changed", None) in lines()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"oldpassword": "guess"}, "This is not your password."),
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password2": "another-otter-42"}, "same password"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    signed_in: Client, wrong: dict[str, str], words: str
) -> None:
    page = signed_in.post("/account/password/", {"oldpassword": PASSWORD} | NEW_ONE | wrong)
    assert words in text_of(page)
    assert NEW not in page.content.decode()
    assert sign_in(PASSWORD)


def test_guessing_the_old_one_is_slowed_down(signed_in: Client) -> None:
    for _ in range(10):
        signed_in.post("/account/password/", {"oldpassword": "guess", **NEW_ONE})
    answer = signed_in.post("/account/password/", {"oldpassword": PASSWORD, **NEW_ONE})
    assert answer.status_code == 429
    assert "Wait a minute, then try again." in text_of(answer)
    assert signed_in.get("/").status_code == 200


def test_who_has_none_sets_one(client: Client, user: User) -> None:
    user.set_unusable_password()
    user.save()
    client.force_login(user)
    assert client.get("/account/password/")["Location"] == "/account/password/set/"
    client.post("/account/password/set/", NEW_ONE)
    assert sign_in(NEW)


def test_a_forgotten_one_is_replaced_by_a_link(
    client: Client, user: User, mailing: None, signed_in: Client, lines: Lines
) -> None:
    guest = Client()
    answer = guest.post(FORGOTTEN, {"email": "Ida@Example.org"}, follow=True)
    assert "If an account has this address, we sent a link to it." in text_of(answer)
    assert mail.outbox[0].to == ["ida@example.org"]
    path = mailed_link()
    opened = guest.get(path)
    number = path.split("/")[3].partition("-")[0]
    assert opened["Location"] == f"/sign-in/new-password/{number}-set-password/"
    assert "no-store" in opened["Cache-Control"]
    done = guest.post(opened["Location"], NEW_ONE, follow=True)
    assert "All your sessions were ended." in text_of(done)
    assert "_auth_user_id" not in guest.session
    assert signed_in.get("/").status_code == 302
    assert (sign_in(NEW), sign_in(PASSWORD)) == (True, False)
    assert ("ida", "password-reset", None) in lines()
    again = Client().get(path)
    assert "It was already used, or it has expired." in text_of(again)


def test_a_link_is_good_for_an_hour(client: Client, user: User, mailing: None, settings: Any) -> None:
    client.post(FORGOTTEN, {"email": "ida@example.org"})
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "This link does not work" in text_of(client.get(mailed_link()))


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_used_twice_at_once_sets_one_password(user: User, mailing: None) -> None:
    Client().post(FORGOTTEN, {"email": "ida@example.org"})
    link, answers = mailed_link(), []
    first, second = Client(), Client(REMOTE_ADDR="192.0.2.7")  # whose tries are counted apart
    form = first.get(link)["Location"]
    assert second.get(link)["Location"] == form
    with held_open(lambda: answers.append(first.post(form, NEW_ONE))):
        later = in_background(
            lambda: answers.append(second.post(form, {"password1": PASSWORD, "password2": PASSWORD}))
        )
    later.join(WAIT)
    assert [each["Location"] for each in answers] == ["/sign-in/new-password/done/", form]
    assert "This link does not work" in text_of(second.get(form))
    assert sign_in(NEW)


def test_a_new_password_unlocks_the_account(client: Client, user: User, mailing: None) -> None:
    for _ in range(6):
        sign_in("guess")
    assert not sign_in(PASSWORD)
    reset_password(NEW)
    assert sign_in(NEW)


def test_a_former_address_neither_resets_the_password_nor_signs_in(
    client: Client, user: User, mailing: None
) -> None:
    client.post(FORGOTTEN, {"email": "ida@example.org"})
    old = mailed_link()
    address.prove(user, "moe@example.org")
    mail.outbox.clear()
    client.post(FORGOTTEN, {"email": "ida@example.org"})
    assert mail.outbox == []
    assert "This link does not work" in text_of(client.get(old))
    former = {"login": "ida@example.org", "password": PASSWORD}
    assert client.post("/sign-in/", former).status_code == 200
    reset_password(NEW, "moe@example.org")
    assert mail.outbox[0].to == ["moe@example.org"]
    assert sign_in(NEW)


def test_who_asks_for_a_link_keeps_nobody_from_adding_a_second_factor(
    signed_in: Client, user: User, mailing: None
) -> None:
    address.prove(user, user.email)
    Client().post(FORGOTTEN, {"email": "ida@example.org"})
    add_app(signed_in)
    assert {each.type for each in Authenticator.objects.all()} == {"totp", "recovery_codes"}


def test_a_reset_by_mail_that_proves_the_address_removes_what_was_added_before(
    signed_in: Client, user: User, settings: Any, lines: Lines
) -> None:
    add_app(signed_in)  # by who typed Ida's address, while the site sent no mail
    SocialAccount.objects.create(user=user, provider="oidc", uid="eve")
    settings.EMAIL_HOST = "mail.example"
    assert "added before were removed" in text_of(reset_password(NEW))
    user.refresh_from_db()
    assert user.email_is_proven
    assert not Authenticator.objects.exists()
    assert not SocialAccount.objects.exists()
    assert signed_in.get("/").status_code == 302
    assert sign_in(NEW)
    told = [(who, what) for who, what, _ in lines()][-6:]
    assert told == [
        ("ida", "password-reset"),
        ("a password reset by e-mail", "factor-removed"),
        ("a password reset by e-mail", "factor-removed"),
        ("a password reset by e-mail", "sign-in-disconnected"),
        ("ida", "email-proven"),
        ("ida", "signed-in"),
    ]


def test_a_reset_by_mail_leaves_the_second_factors_of_a_proven_address(
    signed_in: Client, user: User, mailing: None
) -> None:
    address.prove(user, user.email)
    add_app(signed_in)
    assert "were removed" not in text_of(reset_password(NEW))
    answer = Client().post("/sign-in/", {"login": "ida", "password": NEW})
    assert answer["Location"] == "/sign-in/second-factor/"


def test_nobody_else_is_written_to(client: Client, user: User, mailing: None) -> None:
    answer = client.post(FORGOTTEN, {"email": "nobody@example.org"}, follow=True)
    assert "If an account has this address, we sent a link to it." in text_of(answer)
    assert mail.outbox == []


def test_where_no_mail_is_set_up_the_page_says_what_to_do(client: Client, user: User) -> None:
    page = client.get(FORGOTTEN)
    assert "manage.py changepassword" in text_of(page)
    assert 'name="email"' not in page.content.decode()
    client.post(FORGOTTEN, {"email": "ida@example.org"})
    assert mail.outbox == []


def test_a_change_is_told_by_mail(signed_in: Client, mailing: None) -> None:
    signed_in.post("/account/password/", {"oldpassword": PASSWORD, **NEW_ONE})
    (notice,) = mail.outbox
    assert notice.to == ["ida@example.org"]
    assert "If this was not you" in notice.body


@pytest.mark.parametrize("page", ["sign-in/new-password", "confirm-target", "unsubscribe"])
def test_the_secret_of_a_link_is_in_no_log(page: str) -> None:
    said = f'"GET /{page}/5-abc-def/ HTTP/1.1"'
    entry = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, said, None, None)
    WithoutQuery().filter(entry)
    assert entry.getMessage() == f'"GET /{page}/…/ HTTP/1.1"'
