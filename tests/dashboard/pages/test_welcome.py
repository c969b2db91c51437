"""The first page of a new site."""

from __future__ import annotations

import pytest
from django.test import Client

from dashboard.account import first_run
from dashboard.models import User
from dashboard.pages import welcome
from devices.ingest.rate_limits import Buckets
from fleets.models import Membership, Organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
FORM = {
    "username": "ada",
    "email": "ada@example.com",
    "password": "tangled-otter-41",
    "organization": "Halden Rail",
}


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch, after_the_first_run: None) -> None:
    """A process that has seen neither an account nor a wrong code."""
    monkeypatch.setattr(first_run._Seen, "account", False)
    monkeypatch.setattr(welcome, "_wrong_codes", Buckets(welcome.WRONG))


def test_the_code_of_the_console_makes_the_first_account_and_signs_it_in(client: Client) -> None:
    page = client.get("/welcome/")
    assert "Printed on the console" in text_of(page)
    assert first_run.code() not in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    answer = client.post("/welcome/", FORM | {"code": first_run.code().lower()}, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert "Welcome. Halden Rail is yours." in text_of(answer)
    user = User.objects.get()
    assert (user.username, user.is_superuser) == ("ada", True)
    assert client.session["_auth_user_id"] == str(user.pk)
    assert Organization.objects.get().slug == "halden-rail"
    assert Membership.objects.get().role == "owner"


def test_a_wrong_code_makes_nothing(client: Client) -> None:
    page = client.post("/welcome/", FORM | {"code": "AAAA-BBBB-CCCC"})
    assert "This is not the code. Nothing was created." in text_of(page)
    assert "tangled-otter-41" not in page.content.decode()
    assert not User.objects.exists()


def test_wrong_codes_are_slowed_down_by_address(client: Client) -> None:
    for _ in range(10):
        assert "This is not the code" in text_of(client.post("/welcome/", FORM | {"code": "A"}))
    form = FORM | {"code": first_run.code()}
    assert "Too many wrong codes" in text_of(client.post("/welcome/", form))
    assert not User.objects.exists()
    assert client.post("/welcome/", form, REMOTE_ADDR="192.0.2.7").status_code == 302


@pytest.mark.parametrize("name", [*FORM, "code"])
def test_everything_is_needed(client: Client, name: str) -> None:
    page = client.post("/welcome/", FORM | {"code": first_run.code()} | {name: ""})
    assert f'id="id_{name}_error"' in page.content.decode()
    assert not User.objects.exists()


def test_afterwards_the_page_is_gone(client: Client) -> None:
    code = first_run.code()
    User.objects.create_user("eve")
    for answer in (client.get("/welcome/"), client.post("/welcome/", FORM | {"code": code})):
        assert answer.headers["Location"] == "/"
    assert User.objects.count() == 1


def test_it_is_made_with_a_token(client: Client) -> None:
    careful = Client(enforce_csrf_checks=True)
    assert careful.post("/welcome/", FORM | {"code": first_run.code()}).status_code == 403
