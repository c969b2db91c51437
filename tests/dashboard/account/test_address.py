"""Showing that an e-mail address is one's own, and changing it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from dashboard.account import address
from dashboard.models import User
from tests.at_once import WAIT, held_open, in_background
from tests.dashboard.account.conftest import PASSWORD, Lines, mailed_link, reset_password
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mailing")]
PATH = "/account/email/"
PROVE = "/account/confirm-email/"


def ask(client: Client, email: str) -> str:
    """Have a link sent to this address, as who confirms to be the person; gives its path."""
    client.post("/account/confirm/", {"password": PASSWORD})
    assert f"A link was sent to {email}" in text_of(client.post(PATH, {"email": email}, follow=True))
    assert mail.outbox[-1].to == [email]
    return mailed_link()


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
    assert "The link was already used" in text_of(signed_in.get(PROVE, follow=True))


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
    assert "belongs to another account" in text_of(bob.post(PROVE, follow=True)).replace("&#x27;", "'")
    monkeypatch.setattr(address, "VALID_FOR", -1)
    signed_in.get(link)
    signed_in.post(PROVE)
    assert addresses() == ("ida@example.org", "")


@pytest.mark.parametrize("made_up", ["x", "a" * 8000, "a" * 8001, "a:b:c", "a.b", "%2e%2e"])
@pytest.mark.parametrize("path", [PATH, "/invitations/", "/sign-in/new-password/1-"])
def test_a_made_up_link_stores_nothing(client: Client, path: str, made_up: str) -> None:
    before = Session.objects.count()
    answer = client.get(f"{path}{made_up}/", follow=True)
    assert answer.status_code in {200, 400, 404}
    assert "sessionid" not in client.cookies
    assert Session.objects.count() == before


def test_a_link_that_is_too_old_or_signed_elsewhere_stores_nothing(
    signed_in: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = ask(signed_in, "moe@example.org")
    stranger = Client()
    with monkeypatch.context() as patch:
        patch.setattr(address, "VALID_FOR", -1)
        stranger.get(link)
    settings.SECRET_KEY = "another site's secret, which signs other links" * 2
    stranger.get(link)
    assert "sessionid" not in stranger.cookies


def test_an_address_that_another_account_has_stays_there(signed_in: Client) -> None:
    link = ask(signed_in, "moe@example.org")
    make_member(make_organization(), username="moe", email="moe@example.org")
    signed_in.get(link)
    assert "another account has this address" in text_of(signed_in.post(PROVE, follow=True))
    assert addresses() == ("ida@example.org", "")


@pytest.mark.django_db(transaction=True)
def test_who_typed_an_address_does_not_change_it_while_its_person_resets_the_password(
    signed_in: Client,
) -> None:
    signed_in.get(ask(signed_in, "moe@example.org"))
    with held_open(lambda: reset_password("tangled-otter-41")):
        changing = in_background(lambda: signed_in.post(PROVE))
    changing.join(WAIT)
    assert addresses() == ("ida@example.org", "ida@example.org")


@pytest.mark.django_db(transaction=True)
def test_a_reset_by_mail_does_not_take_an_address_back_that_is_changed_meanwhile(signed_in: Client) -> None:
    signed_in.get(ask(signed_in, "moe@example.org"))
    with held_open(lambda: signed_in.post(PROVE)):
        resetting = in_background(lambda: reset_password("tangled-otter-41"))
    resetting.join(WAIT)
    assert addresses() == ("moe@example.org", "moe@example.org")
    assert User.objects.get(username="ida").check_password(PASSWORD)


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


def test_the_address_that_the_account_had_before_is_told_of_the_change(signed_in: Client) -> None:
    signed_in.get(ask(signed_in, "moe@example.org"))
    signed_in.post(PROVE)
    notice = mail.outbox[-1]
    assert notice.to == ["ida@example.org"]
    assert "This is no longer the e-mail address of the account ida on testserver." in notice.body
    assert "moe@example.org" not in notice.body  # the former one may be a stranger's
    signed_in.get(ask(signed_in, "moe@example.org"))
    signed_in.post(PROVE)
    assert len(mail.outbox) == 3  # no notice where the address stays what it is


def test_an_address_changed_in_the_admin_is_told_of_and_must_be_proven(
    user: User, lines: Lines, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    address.prove(user, user.email)
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    path = reverse("admin:dashboard_user_change", args=[user.pk])
    form = admin.get(path).context["adminform"].form
    kept = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    said = {name: value for name, value in kept.items() if value and not isinstance(value, datetime)}
    said |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "email": "moe@example.org"}
    with django_capture_on_commit_callbacks(execute=True):
        assert admin.post(path, said).status_code == 302
    assert addresses() == ("moe@example.org", "ida@example.org")
    assert [each.to for each in mail.outbox] == [["ida@example.org"]]
    assert lines()[-1] == ("root", "email-changed", {"address": "moe@example.org"})


def test_a_mail_server_that_does_not_answer_undoes_no_change(signed_in: Client, settings: Any) -> None:
    signed_in.get(ask(signed_in, "moe@example.org"))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert "moe@example.org is your address." in text_of(signed_in.post(PROVE, follow=True))
    assert addresses() == ("moe@example.org", "moe@example.org")
    answer = signed_in.post(PATH, {"email": "ida@example.org"}, follow=True)
    assert "The link was not sent" in text_of(answer)
