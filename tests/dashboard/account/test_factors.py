"""An authenticator app as second factor, its recovery codes, and what holds off who guesses them."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.core.internal import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from dashboard.account import address
from dashboard.models import User
from tests.at_once import WAIT, held_open, in_background
from tests.dashboard.account.conftest import PASSWORD, Lines
from tests.pages import text_of

pytestmark = pytest.mark.django_db
ADD = "/account/factors/app/add/"
CODES = "/account/factors/codes/"
FORM = {"login": "ida", "password": PASSWORD}
WRONG = "This is wrong, or it was already used."
LOCKED = "Too many wrong passwords for this account or from this address."


class Phone:
    """An authenticator app: it has read the key, and knows the time."""

    def __init__(self, key: str) -> None:
        self.key = key

    def code(self, steps: int = 0) -> str:
        return str(auth.format_hotp_value(auth.hotp_value(self.key, int(auth.time.time()) // 30 + steps)))


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codes' clock stands still, so that no step passes in the middle of a test."""
    at = time.time()
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: at))


def confirm(client: Client, path: str) -> None:
    answer = client.post(f"/account/confirm/?next={path}", {"password": PASSWORD})
    assert answer["Location"] == path


def add_app(client: Client) -> Phone:
    confirm(client, ADD)
    found = re.search(r'<code id="key">([A-Z2-7]+)</code>', client.get(ADD).content.decode())
    assert found
    phone = Phone(found[1])
    assert client.post(ADD, {"code": phone.code()})["Location"] == CODES
    return phone


@pytest.fixture
def phone(signed_in: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Phone:
    """Of the person, who is signed in with it added."""
    with django_capture_on_commit_callbacks(execute=True):  # where allauth tells of it
        return add_app(signed_in)


def codes(client: Client) -> list[str]:
    return re.findall(r"<li><code>(\d{8})</code>", client.get(CODES).content.decode())


def first_step() -> Client:
    """Somebody who has entered the right password."""
    client = Client()
    assert client.post("/sign-in/?next=/devices/", FORM)["Location"] == "/sign-in/second-factor/"
    return client


def second_step(client: Client, code: str) -> str:
    """Where this code leads; else what the page says."""
    answer = client.post("/sign-in/second-factor/", {"code": code})
    return answer["Location"] if answer.status_code == 302 else text_of(answer)


def test_adding_one_asks_who_it_is_and_that_the_app_works(signed_in: Client, user: User) -> None:
    assert signed_in.get(ADD)["Location"] == f"/account/confirm/?next={ADD.replace('/', '%2F')}"
    confirm(signed_in, ADD)
    page = signed_in.get(ADD)
    assert "style=" not in page.content.decode()
    assert "<svg" in page.content.decode()
    assert WRONG in text_of(signed_in.post(ADD, {"code": "000000"}))
    assert not Authenticator.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_app_that_is_added_twice_at_once_is_added_once(signed_in: Client) -> None:
    confirm(signed_in, ADD)
    found = re.search(r'<code id="key">([A-Z2-7]+)</code>', signed_in.get(ADD).content.decode())
    assert found
    form, again, answers = {"code": Phone(found[1]).code()}, Client(REMOTE_ADDR="192.0.2.7"), []
    again.cookies = signed_in.cookies
    with held_open(lambda: answers.append(signed_in.post(ADD, form))):
        later = in_background(lambda: answers.append(again.post(ADD, form)))
    later.join(WAIT)
    assert [each["Location"] for each in answers] == [CODES, "/account/factors/"]
    assert Authenticator.objects.count() == 2  # the app, and its codes


def test_the_password_alone_signs_in_no_more(phone: Phone) -> None:
    client = first_step()
    assert client.get("/devices/")["Location"].startswith("/sign-in/")
    assert second_step(client, phone.code()) == "/devices/"
    assert client.get("/devices/").status_code == 200


def test_it_counts_for_the_admin_too(phone: Phone, user: User) -> None:
    User.objects.update(is_staff=True, is_superuser=True)
    client = first_step()
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    second_step(client, phone.code())
    assert client.get("/admin/").status_code == 200


def test_a_code_is_good_once(phone: Phone) -> None:
    code = phone.code()
    assert second_step(first_step(), code) == "/devices/"
    assert WRONG in second_step(first_step(), code)
    assert WRONG in second_step(first_step(), f" {code[:3]} {code[3:]}")


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_clocks_may_differ_by_a_step(phone: Phone, steps: int, good: bool) -> None:  # noqa: FBT001
    assert (second_step(first_step(), phone.code(steps)) == "/devices/") is good


def test_a_recovery_code_stands_in_once(signed_in: Client, phone: Phone) -> None:
    code, *_ = codes(signed_in)
    assert second_step(first_step(), code) == "/devices/"
    assert WRONG in second_step(first_step(), code)
    assert len(codes(signed_in)) == 9


def test_codes_are_downloaded_and_made_anew(signed_in: Client, phone: Phone, lines: Lines) -> None:
    old = codes(signed_in)
    answer = signed_in.get(f"{CODES}download/")
    assert answer["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert answer.content.decode().split()[-10:] == old
    signed_in.post(f"{CODES}new/")
    new = codes(signed_in)
    assert len(new) == 10
    assert not set(old) & set(new)
    assert WRONG in second_step(first_step(), old[0])


def test_after_five_wrong_codes_it_is_locked_for_five_minutes(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = first_step()
    for number in range(5):
        assert WRONG in second_step(client, f"00000{number}")
    assert "Wait five minutes" in second_step(client, phone.code())
    assert "Wait five minutes" in second_step(first_step(), phone.code(1))
    began = time.time()
    monkeypatch.setattr(ratelimit.time, "time", lambda: began + 301)
    assert second_step(client, phone.code()) == "/devices/"


def test_a_right_code_does_not_let_an_address_guess_other_peoples_passwords_on(phone: Phone) -> None:
    for number in range(30):
        Client().post("/sign-in/", FORM | {"login": f"nobody-{number}"})
        if number == 28:
            assert second_step(first_step(), phone.code()) == "/devices/"
    assert LOCKED in text_of(Client().post("/sign-in/", FORM | {"login": "nobody"}))


def test_wrong_codes_count_for_the_address_they_come_from(phone: Phone) -> None:
    client = first_step()
    for number in range(28):
        Client().post("/sign-in/", FORM | {"login": f"nobody-{number}"})
    assert WRONG in second_step(client, "000000")
    assert WRONG in second_step(client, "000000")
    assert LOCKED in second_step(client, phone.code())


def test_it_is_removed_with_its_codes(signed_in: Client, phone: Phone) -> None:
    signed_in.post("/account/factors/app/remove/")
    assert not Authenticator.objects.exists()
    assert Client().post("/sign-in/", FORM)["Location"] == "/"


def test_its_secrets_are_encrypted_and_read_with_former_keys(phone: Phone, settings: Any) -> None:
    for each in Authenticator.objects.all():
        assert phone.key not in str(each.data)
    former = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another " * 10, [former]
    assert second_step(first_step(), phone.code()) == "/devices/"


def test_with_another_secret_key_no_code_is_right(phone: Phone, settings: Any) -> None:
    settings.SECRET_KEY = "another " * 10
    client = first_step()
    for code in (phone.code(), Phone("").code(), "000000"):
        assert WRONG in second_step(client, code)


def test_who_has_lost_all_is_let_in_by_the_console(phone: Phone, lines: Lines) -> None:
    with pytest.raises(CommandError, match="There is no account nobody"):
        call_command("forget_factors", "nobody")
    call_command("forget_factors", "ida@example.org")
    assert Client().post("/sign-in/", FORM)["Location"] == "/"
    assert ("the console", "factor-removed", None) in lines()


def test_the_log_tells_what_was_added_and_who_failed(signed_in: Client, phone: Phone, lines: Lines) -> None:
    client = first_step()
    second_step(client, "000000")
    second_step(client, phone.code())
    told = [line for line in lines() if line[1] != "signed-in"]
    assert ("ida", "factor-added", {"factor": "authenticator app"}) in told
    assert told[-1] == ("somebody", "sign-in-failed", {"how": "second factor: authenticator app"})
    assert lines()[-1] == ("ida", "signed-in", {"how": "password, authenticator app"})
    assert phone.key not in str(lines())


def test_cancelling_forgets_the_first_step(phone: Phone) -> None:
    client = first_step()
    client.post("/sign-out/")
    assert client.get("/sign-in/second-factor/")["Location"] == "/sign-in/"


def test_the_overview_says_what_there_is(signed_in: Client, phone: Phone) -> None:
    words = text_of(signed_in.get("/account/factors/"))
    assert "not used yet" in words
    assert "10 are left" in words


@pytest.mark.parametrize("path", [ADD, f"{CODES}new/", "/account/passkeys/add/"])
def test_none_is_added_before_the_address_is_shown_to_be_ones_own(
    signed_in: Client, user: User, mailing: None, path: str
) -> None:
    confirm(signed_in, path)
    for answer in (signed_in.get(path, follow=True), signed_in.post(path, follow=True)):
        assert answer.redirect_chain == [("/account/email/", 302)]
        assert "Nothing was added. Confirm your e-mail address first." in text_of(answer)
    assert not Authenticator.objects.exists()
    address.prove(user, user.email)
    assert "Confirm your e-mail address first" not in text_of(signed_in.get(path, follow=True))


def test_an_account_without_an_address_adds_one(signed_in: Client, user: User, mailing: None) -> None:
    User.objects.update(email="")  # nobody's address was typed
    add_app(signed_in)
    assert Authenticator.objects.exists()
