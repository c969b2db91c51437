"""Signing in by user name or e-mail, and what holds off who guesses."""

from __future__ import annotations

import time

import pytest
from allauth.core.internal import ratelimit
from django.core.management import call_command
from django.test import Client

from dashboard.models import User
from fleets.models import AuditEntry
from tests.dashboard.account.conftest import PASSWORD, Lines
from tests.pages import text_of

pytestmark = pytest.mark.django_db
LOCKED = "Too many wrong passwords for this account or from this address."


def try_to(client: Client, password: str, login: str = "ida", **headers: str) -> str:
    """What the page says to this; empty: one is signed in."""
    answer = client.post("/sign-in/", {"login": login, "password": password}, **headers)  # type: ignore[arg-type]
    return "" if answer.status_code == 302 else text_of(answer)


def wide(name: str) -> str:
    """In fullwidth forms, as an input method for Japanese writes it."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in name)


LOGINS = ["ida", "IDA", " ida ", wide("ida"), "ida@example.org", "Ida@Example.ORG", wide("ida@example.org")]


@pytest.mark.parametrize("login", LOGINS)
def test_by_name_or_by_address_whatever_its_case(client: Client, user: User, login: str) -> None:
    assert try_to(client, PASSWORD, login) == ""
    assert client.session["_auth_user_id"] == str(user.pk)


@pytest.mark.parametrize("login", ["ida@example", "", "%", "id"])
def test_not_by_half_a_name(client: Client, user: User, login: str) -> None:
    assert "Sign in to Lookout" in try_to(client, PASSWORD, login)


def test_an_address_is_kept_in_lower_case_however_an_account_is_made(client: Client) -> None:
    call_command("createsuperuser", username="root", email="Root@Example.ORG", interactive=False)
    assert User.objects.get(username="root").email == "root@example.org"


def test_who_is_switched_off_stays_outside_and_is_told_so(client: Client, user: User) -> None:
    User.objects.update(is_active=False)
    answer = client.post("/sign-in/", {"login": "ida", "password": PASSWORD}, follow=True)
    assert "This account is switched off" in text_of(answer)
    assert "_auth_user_id" not in client.session


def test_nothing_tells_whether_an_account_exists(client: Client, user: User) -> None:
    known, unknown = try_to(client, "guess"), try_to(client, "guess", "nobody")
    assert known == unknown
    assert "do not match" in known


def test_there_is_no_sign_up(client: Client) -> None:
    for path in ("/sign-up/", "/account/signup/", "/accounts/signup/"):
        assert client.get(path).status_code == 404


def test_after_five_wrong_passwords_an_account_is_locked_for_five_minutes(
    client: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["ida", "ida@example.org", "IDA", "ida", "Ida@example.org"]  # all of one account
    assert all("do not match" in try_to(client, "guess", name) for name in names)
    for password in ("guess", PASSWORD):
        assert LOCKED in try_to(client, password)
        assert LOCKED in try_to(client, password, REMOTE_ADDR="192.0.2.7")
    began = time.time()
    monkeypatch.setattr(ratelimit.time, "time", lambda: began + 301)
    assert try_to(client, PASSWORD) == ""


@pytest.mark.parametrize("name", ["ida", "nobody", "ida@example.org", "nobody@example.org"])
def test_an_unknown_name_is_locked_just_so_however_it_is_written(
    client: Client, user: User, name: str
) -> None:
    for _ in range(5):
        try_to(client, "guess", name)
    for written in (name.upper(), wide(name), f" {name} "):
        assert LOCKED in try_to(client, "guess", written)
    assert LOCKED not in try_to(client, "guess", f"somebody-{name}")


def test_an_address_is_locked_after_thirty_wrong_passwords_for_whichever_account(
    client: Client, user: User
) -> None:
    for number in range(30):
        assert LOCKED not in try_to(client, "guess", f"nobody-{number}")
    assert LOCKED in try_to(client, PASSWORD)
    assert try_to(client, PASSWORD, REMOTE_ADDR="192.0.2.7") == ""


def test_right_passwords_are_not_counted(client: Client, user: User) -> None:
    for _ in range(6):
        assert try_to(client, PASSWORD) == ""
        client.logout()


def test_who_is_signed_in_is_not_locked_out_by_who_guesses(signed_in: Client, user: User) -> None:
    stranger = Client(REMOTE_ADDR="192.0.2.7")
    for _ in range(6):
        try_to(stranger, "guess")
    assert LOCKED in try_to(stranger, "guess")
    assert signed_in.get("/").status_code == 200
    confirmed = signed_in.post("/account/confirm/?next=/devices/", {"password": PASSWORD})
    assert confirmed["Location"] == "/devices/"


def test_the_log_tells_who_came_from_where_and_who_failed(client: Client, user: User, lines: Lines) -> None:
    try_to(client, "guess", REMOTE_ADDR="192.0.2.7")
    try_to(client, "guess", "nobody")
    try_to(client, PASSWORD, REMOTE_ADDR="192.0.2.8")
    client.post("/sign-out/")
    assert lines() == [
        ("somebody", "sign-in-failed", {"how": "password"}),
        ("ida", "signed-in", {"how": "password"}),
        ("ida", "signed-out", None),
    ]
    addresses = AuditEntry.objects.order_by("pk").values_list("address", flat=True)
    assert list(addresses) == ["192.0.2.7", "192.0.2.8", "127.0.0.1"]


def test_the_admin_uses_the_same_page(client: Client, user: User) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1] == ("/sign-in/?next=/admin/", 302)
    form = {"login": "ida", "password": PASSWORD, "next": "/admin/"}
    refused = client.post("/sign-in/", form, follow=True)
    assert refused.status_code == 403
    User.objects.update(is_staff=True, is_superuser=True)
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/login/")["Location"] == "/admin/"
    assert client.get("/admin/password_change/")["Location"] == "/account/password/"
    assert client.get("/admin/logout/").status_code == 405
    assert client.post("/admin/logout/")["Location"] == "/sign-in/"
