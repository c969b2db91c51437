"""Showing that an e-mail address is one's own, and changing it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from dashboard.account import address
from dashboard.models import User
from tests.dashboard.account.conftest import PASSWORD, Lines
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
PATH = "/account/email/"
PROVE = "/account/email/confirm/"


@pytest.fixture(autouse=True)
def mailing(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example"


def ask(client: Client, email: str) -> str:
    """Have a link sent to this address, as who confirms to be the person; gives its path."""
    client.post("/account/confirm/", {"password": PASSWORD})
    assert f"A link was sent to {email}" in text_of(client.post(PATH, {"email": email}, follow=True))
    assert mail.outbox[-1].to == [email]
    found = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def addresses() -> tuple[str, str]:
    user = User.objects.get(username="ida")
    return user.email, user.proven_email


def test_ones_address_is_shown_to_be_ones_own(signed_in: Client, lines: Lines) -> None:
    link = ask(signed_in, "ida@example.org")
    assert signed_in.get(link)["Location"] == PROVE
    assert addresses() == ("ida@example.org", "")
    assert "ida@example.org is your address." in text_of(signed_in.post(PROVE, follow=True))
    assert addresses() == ("ida@example.org", "ida@example.org")
    assert lines()[-1] == ("ida", "email-proven", {"address": "ida@example.org"})
    signed_in.get(link)
    assert "the link was used" in text_of(signed_in.get(PROVE, follow=True))


def test_another_address_is_ones_own_once_its_link_is_opened(signed_in: Client) -> None:
    link = ask(signed_in, "moe@example.org")
    signed_in.get(link)
    assert "moe@example.org becomes the address" in text_of(signed_in.get(PROVE))
    assert addresses() == ("ida@example.org", "")
    signed_in.post(PROVE)
    assert addresses() == ("moe@example.org", "moe@example.org")


def test_asking_for_it_takes_ones_password(signed_in: Client) -> None:
    assert signed_in.post(PATH, {"email": "moe@example.org"})["Location"].startswith("/account/confirm/")
    assert mail.outbox == []


def test_a_link_is_good_for_its_own_account_and_an_hour(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = ask(signed_in, "moe@example.org")
    bob = Client()
    bob.force_login(make_member(make_organization(), username="bob"))
    bob.get(link)
    assert "another account's" in text_of(bob.post(PROVE, follow=True)).replace("&#x27;", "'")
    monkeypatch.setattr(address, "GOOD_FOR", -1)
    signed_in.get(link)
    signed_in.post(PROVE)
    assert addresses() == ("ida@example.org", "")


def test_an_address_that_another_account_has_stays_there(signed_in: Client) -> None:
    link = ask(signed_in, "moe@example.org")
    make_member(make_organization(), username="moe", email="moe@example.org")
    signed_in.get(link)
    assert "another account has this address" in text_of(signed_in.post(PROVE, follow=True))
    assert addresses() == ("ida@example.org", "")


def test_where_no_mail_is_set_up_the_page_says_what_to_do(signed_in: Client, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    assert "ask an administrator" in text_of(signed_in.get(PATH))
    signed_in.post("/account/confirm/", {"password": PASSWORD})
    signed_in.post(PATH, {"email": "moe@example.org"})
    assert mail.outbox == []


def test_mails_are_not_sent_without_end(signed_in: Client) -> None:
    for _ in range(5):
        ask(signed_in, "moe@example.org")
    assert signed_in.post(PATH, {"email": "moe@example.org"}).status_code == 429
    assert len(mail.outbox) == 5
