"""The first run of a new site (dashboard/account/first_run.py)."""

from __future__ import annotations

import re
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from dashboard.account import first_run
from dashboard.models import User
from fleets.models import AuditEntry, Membership, Organization
from tests.at_once import at_once

pytestmark = pytest.mark.django_db
ACCOUNT = {"email": "ada@example.com", "password": "tangled-otter-41", "organization": "Halden"}


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch, after_the_first_run: None) -> None:
    """A process that has not seen an account yet."""
    monkeypatch.setattr(first_run._Seen, "account", False)


def test_the_code_is_the_same_each_time_and_read_in_any_case() -> None:
    code = first_run.code()
    assert re.fullmatch("[A-Z2-7]{4}-[A-Z2-7]{4}-[A-Z2-7]{4}", code)
    assert first_run.code() == code
    for entered in (code, code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
        assert first_run.is_code(entered)
    for entered in ("", code[:-1], code + "A", "äöü"):
        assert not first_run.is_code(entered)


def test_the_code_is_another_for_another_site(settings: Settings) -> None:
    code = first_run.code()
    settings.SECRET_KEY = "another" * 10
    assert first_run.code() != code


def test_the_console_says_the_code_until_somebody_has_an_account(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("first_code")
    assert capsys.readouterr().out == f"{first_run.code()}\n"
    User.objects.create_user("ada")
    with pytest.raises(CommandError, match="already has an account"):
        call_command("first_code")


@pytest.mark.parametrize("path", ["/", "/devices/?q=1", "/sign-in/", "/settings/", "/admin/", "/nowhere/"])
def test_every_page_leads_to_welcome_while_there_is_no_account(client: Client, path: str) -> None:
    assert client.get(path).headers["Location"] == "/welcome/"
    assert client.post(path).headers["Location"] == "/welcome/"


def test_machines_are_answered_all_the_same(client: Client) -> None:
    assert client.post("/theme/", {"theme": "dark"}).cookies["theme"].value == "dark"


def test_an_account_ends_it_and_no_request_asks_again(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        client.get("/nowhere/")
    User.objects.create_user("ada")
    with django_assert_num_queries(1):
        assert client.get("/nowhere/").status_code == 404
    with django_assert_num_queries(0):
        assert client.get("/nowhere/").status_code == 404


def test_the_first_account_administers_the_site_and_owns_its_organization() -> None:
    user, organization = first_run.set_up(username="ada", **ACCOUNT)
    assert (user.is_superuser, user.is_staff, user.email) == (True, True, "ada@example.com")
    assert Membership.objects.values_list("user", "organization", "role").get() == (
        user.pk,
        organization.pk,
        "owner",
    )
    assert AuditEntry.objects.get().action == "organization-created"
    with pytest.raises(first_run.Over):
        first_run.set_up(username="eve", **ACCOUNT)


@pytest.mark.django_db(transaction=True)
def test_of_two_first_runs_one_wins(many_passwords: None) -> None:
    calls = [
        partial(first_run.set_up, username=f"person-{number}", **ACCOUNT | {"email": f"{number}@example.com"})
        for number in range(4)
    ]
    answers = at_once(*calls)
    assert [type(each) for each in answers].count(first_run.Over) == 3, answers
    assert User.objects.count() == Organization.objects.count() == 1
