"""Changing one's password, and a forgotten one."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from dashboard.logs import WithoutQuery
from dashboard.models import User
from tests.dashboard.account.conftest import PASSWORD, Lines
from tests.pages import text_of

pytestmark = pytest.mark.django_db
NEW = "tangled-otter-41"
NEW_ONE = {"password1": NEW, "password2": NEW}
FORGOTTEN = "/sign-in/forgotten/"


@pytest.fixture
def mailing(settings: Any) -> None:
    """A site that sends mail."""
    settings.EMAIL_HOST = "mail.example"


def link() -> str:
    """The path of the link in the newest mail."""
    found = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


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
    assert "If an account has this address, a link was sent to it." in text_of(answer)
    assert mail.outbox[0].to == ["ida@example.org"]
    path = link()
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
    assert "It was used before, or has expired." in text_of(again)


def test_a_link_is_good_for_an_hour(client: Client, user: User, mailing: None, settings: Any) -> None:
    client.post(FORGOTTEN, {"email": "ida@example.org"})
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "This link leads nowhere" in text_of(client.get(link()))


def test_a_new_password_unlocks_the_account(client: Client, user: User, mailing: None) -> None:
    for _ in range(6):
        sign_in("guess")
    assert not sign_in(PASSWORD)
    client.post(FORGOTTEN, {"email": "ida@example.org"})
    client.post(client.get(link())["Location"], NEW_ONE)
    assert sign_in(NEW)


def test_nobody_else_is_written_to(client: Client, user: User, mailing: None) -> None:
    answer = client.post(FORGOTTEN, {"email": "nobody@example.org"}, follow=True)
    assert "If an account has this address, a link was sent to it." in text_of(answer)
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


def test_the_secret_of_a_link_is_in_no_log() -> None:
    entry = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '"GET /sign-in/new-password/5-abc-def/ HTTP/1.1"', None, None
    )
    WithoutQuery().filter(entry)
    assert entry.getMessage() == '"GET /sign-in/new-password/…/ HTTP/1.1"'
