"""Hashing is bounded, holds no connection to the database, and tells nobody who has an account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.urls import reverse

from dashboard.account import first_run
from dashboard.account.adapter import MAILS
from dashboard.account.openid import PROVIDER, provider_id
from dashboard.http import password_hashing
from dashboard.http.concurrency_limits import Bound
from dashboard.models import User
from dashboard.pages.devices.import_file import FILES
from fleets.models import AuditEntry, Organization, Role
from fleets.services import invitations
from tests.factories import make_member, make_organization
from tests.hashing import Quick
from tests.pages import text_of

PASSWORD, NEW = "open sesame 42", "tangled-otter-41"
TWICE = {"password1": NEW, "password2": NEW}


@contextmanager
def busy(bound: Bound) -> Iterator[None]:
    """Others have all the places."""
    over, threads = Event(), ThreadPoolExecutor(10)

    def hold(taken: Event) -> None:
        with bound.slot():
            taken.set()
            over.wait(60)

    try:
        for _ in range(bound.most):
            taken = Event()
            threads.submit(hold, taken)
            assert taken.wait(60)
        yield
    finally:
        over.set()
        threads.shutdown()


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Of each hash so far its iterations, and whether a connection to the database was held meanwhile."""
    seen: list[tuple[int, bool]] = []
    encode = PBKDF2PasswordHasher.encode

    def noted(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
        seen.append((iterations or self.iterations, connection.connection is not None))
        return encode(self, password, salt, iterations)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", noted)
    return seen


def make_ida(**fields: Any) -> User:
    return make_member(make_organization(), Role.OWNER, username="ida", email="ida@example.org", **fields)


def sign_in(login: str, password: str) -> int:
    return Client().post("/sign-in/", {"login": login, "password": password}).status_code


@pytest.mark.django_db
@pytest.mark.parametrize(
    "login", ["ida", "ida@example.org", "IDA@example.org", "nobody", "nobody@example.org"]
)
@pytest.mark.parametrize("kind", ["active", "inactive", "without a password", "named as the address"])
def test_a_wrong_password_costs_one_hash_whoever_is_named(
    login: str, kind: str, hashes: list[tuple[int, bool]]
) -> None:
    user = make_ida(password=PASSWORD)
    if kind == "inactive":
        User.objects.update(is_active=False)
    elif kind == "without a password":
        user.set_unusable_password()
        user.save()
    elif kind == "named as the address":
        user.username = "ida@example.org"
        user.save()
    hashes.clear()
    assert sign_in(login, "a wrong password") == 200
    assert [iterations for iterations, _ in hashes] == [Quick.iterations]


@pytest.mark.django_db
@pytest.mark.parametrize("login", ["ida", "ida@example.org"])
def test_the_right_password_costs_one_hash(login: str, hashes: list[tuple[int, bool]]) -> None:
    make_ida(password=PASSWORD)
    hashes.clear()
    assert sign_in(login, PASSWORD) == 302
    assert [iterations for iterations, _ in hashes] == [Quick.iterations]


@pytest.mark.django_db
def test_a_password_hashed_more_quickly_in_the_past_costs_a_stranger_just_as_much(
    monkeypatch: pytest.MonkeyPatch, hashes: list[tuple[int, bool]]
) -> None:
    user = make_ida(password=PASSWORD)
    monkeypatch.setattr(Quick, "iterations", 5)
    hashes.clear()
    sign_in("ida", "a wrong password")
    known = sum(iterations for iterations, _ in hashes)
    hashes.clear()
    sign_in("nobody", "a wrong password")
    assert known == sum(iterations for iterations, _ in hashes) == 5
    assert sign_in("ida", PASSWORD) == 302
    user.refresh_from_db()
    assert user.password.split("$")[1] == "5"


def change(client: Client) -> Any:
    return client.post("/account/password/", {"oldpassword": PASSWORD, **TWICE})


def set_first(client: Client) -> Any:
    User.objects.update(password=make_password(None))
    client.force_login(User.objects.get())
    return client.post("/account/password/set/", TWICE)


def reset(client: Client) -> Any:
    Client().post("/sign-in/forgotten/", {"email": "ida@example.org"})
    found = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert found
    guest = Client()
    return guest.post(guest.get(found[1])["Location"], TWICE)


def confirm(client: Client) -> Any:
    return client.post("/account/confirm/?next=/devices/", {"password": PASSWORD})


def add_in_admin(client: Client) -> Any:
    return client.post(
        reverse("admin:dashboard_user_add"), {"username": "new", "usable_password": "true", **TWICE}
    )


def set_in_admin(client: Client) -> Any:
    path = reverse("admin:auth_user_password_change", args=[User.objects.get().pk])
    return client.post(path, {"usable_password": "true", "set-password": "", **TWICE})


def join(client: Client) -> Any:
    owner, organization = User.objects.get(), Organization.objects.get()
    _, secret = invitations.invite(organization=organization, role=Role.OBSERVER, actor=owner)
    guest = Client()
    guest.get(reverse("fleets:invitation", args=[secret]))
    form = {"username": "new", "email": "new@example.org", "password": NEW}
    return guest.post(reverse("fleets:invitation-accept"), form)


def begin(client: Client) -> Any:
    first_run._Seen.account = False  # after_the_first_run puts it back
    Organization.objects.all().delete()
    User.objects.all().delete()
    form = {"username": "new", "email": "n@example.org", "password": NEW, "organization": "Halden"}
    return Client().post("/welcome/", form | {"code": first_run.code()})


WAYS = [change, set_first, reset, confirm, add_in_admin, set_in_admin, join, begin]


@pytest.fixture
def ida(client: Client, settings: Any) -> Client:
    """An administrator of the site who has just signed in, with a password."""
    settings.EMAIL_HOST = "mail.example"
    make_ida(password=PASSWORD, is_staff=True, is_superuser=True)
    client.post("/sign-in/", {"login": "ida", "password": PASSWORD})
    return client


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_no_connection_is_held_while_a_password_is_hashed(
    way: Callable[[Client], Any], ida: Client, hashes: list[tuple[int, bool]]
) -> None:
    hashes.clear()
    assert way(ida).status_code == 302
    assert hashes
    assert not any(held for _, held in hashes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("login", ["ida", "nobody"])
def test_no_connection_is_held_while_somebody_signs_in(
    login: str, ida: Client, hashes: list[tuple[int, bool]]
) -> None:
    hashes.clear()
    sign_in(login, "a wrong password")
    assert hashes == [(Quick.iterations, False)]


@pytest.mark.django_db
@pytest.mark.parametrize("way", [way for way in WAYS if way is not set_first])
def test_beyond_the_bound_a_page_says_so_at_once_and_nothing_is_changed(
    way: Callable[[Client], Any], ida: Client, hashes: list[tuple[int, bool]]
) -> None:
    hashes.clear()
    with busy(password_hashing.PASSWORDS):
        answer = way(ida)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "The server is busy with other passwords" in text_of(answer)
    assert not hashes
    assert not User.objects.filter(username="new").exists()
    assert way is begin or sign_in("ida", PASSWORD) == 302


@pytest.mark.django_db
def test_a_try_that_was_refused_is_not_counted(ida: Client) -> None:
    with busy(password_hashing.PASSWORDS):
        for _ in range(70):  # more than wrong passwords, or tries of an address, may be
            assert sign_in("ida", "a wrong password") == 503
            assert confirm(ida).status_code == 503
    assert sign_in("ida", PASSWORD) == 302
    assert confirm(ida).status_code == 302
    assert not AuditEntry.objects.filter(action="sign-in-failed").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("bound", "path", "words"),
    [
        (MAILS, "/sign-in/forgotten/", "busy with other e-mails"),
        (PROVIDER, f"/sign-in/with/{provider_id()}/", "Too many people are signing in"),
        (FILES, "/fleets/none/preregister/file/", "busy with other files"),
    ],
)
def test_what_else_is_expensive_is_bounded_as_well(bound: Bound, path: str, words: str, ida: Client) -> None:
    with busy(bound):
        answer = ida.post(path, {"email": "ida@example.org"})
    assert answer.status_code == 503
    assert words in text_of(answer)


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_a_mail_is_sent(ida: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    monkeypatch.setattr(EmailMessage, "send", lambda self: held.append(connection.connection is not None))
    Client().post("/sign-in/forgotten/", {"email": "ida@example.org"})
    assert held == [False]


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_the_provider_is_asked(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def answer(self: Any, request: Any, **_: Any) -> Any:
        held.append(connection.connection is not None)
        raise requests.ConnectionError

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", answer)
    settings.OIDC_ISSUER = "https://id.example"
    assert Client().post(f"/sign-in/with/{provider_id()}/").status_code == 502
    assert held == [False]
