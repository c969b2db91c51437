"""A user name is one person's, in whatever case, width or Unicode form it is written
(dashboard/user_names.py).
"""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.management.commands.changepassword import Command as ChangePassword
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from dashboard.account import first_run, people
from dashboard.demo import site as demo
from dashboard.models import User
from dashboard.user_names import canonical
from devices import clock
from fleets.models import Role
from fleets.services import invitations
from tests.factories import make_organization
from tests.pages import text_of

FIRST = "Alpha-owner"
SAME = [
    "\uff21lpha-owner",
    "alpha-owner",
    "ALPHA-OWNER",
    "\uff41lph\uff41\uff0downer",
]
PASSWORD = "tangled-otter-41"
SAID = {"email": "second@example.com", "password": PASSWORD}
TAKEN = "This user name is taken"


@given(st.text())
def test_the_canonical_form_is_its_own(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)
    assert canonical(name.upper().lower()) == canonical(name.upper())


@pytest.mark.parametrize("one", ["\uff21da", "ﬀ", "Straße", "Σίσυφος", "\u212b", "K"])
def test_what_differs_in_case_width_or_form_only_is_the_same_name(one: str) -> None:
    other = {"\uff21da": "ADA", "ﬀ": "FF", "Straße": "STRASSE", "Σίσυφος": "ΣΊΣΥΦΟΣ", "\u212b": "a\u030a"}
    assert canonical(one) == canonical(other.get(one, "k"))


def by_invitation(client: Client, name: str) -> str:
    _, secret = invitations.invite(organization=make_organization(), role=Role.OBSERVER, actor=None)
    client.get(f"/invitations/{secret}/")
    return text_of(client.post("/join/", SAID | {"username": name}))


def by_the_admin(client: Client, name: str) -> str:
    client.force_login(User.objects.create_superuser("root"))
    form = {"username": name, "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = text_of(client.post("/admin/dashboard/user/add/", form))
    client.logout()
    return answer


def by_a_change_in_the_admin(client: Client, name: str) -> str:
    client.force_login(User.objects.create_superuser("root"))
    other = User.objects.create_user("other")
    form = {"username": name, "date_joined_0": "2026-03-02", "date_joined_1": "12:00:00"}
    answer = text_of(client.post(f"/admin/dashboard/user/{other.pk}/change/", form))
    other.refresh_from_db()
    assert other.username == "other"
    other.delete()
    client.logout()
    return answer


def by_createsuperuser(client: Client, name: str) -> str:
    with pytest.raises(CommandError) as error:
        call_command("createsuperuser", username=name, email="second@example.com", interactive=False)
    return str(error.value)


def by_the_manager(client: Client, name: str) -> str:
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        User.objects.create_user(name)
    return str(error.value)


def by_many_at_once(client: Client, name: str) -> str:
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        User.objects.bulk_create([User(username=name)])
    return str(error.value)


@pytest.mark.django_db
@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize(
    ("way", "said"),
    [
        (by_invitation, TAKEN),
        (by_the_admin, "already exists|" + TAKEN),
        (by_a_change_in_the_admin, TAKEN),
        (by_createsuperuser, "already taken"),
        (by_the_manager, "unique constraint"),
        (by_many_at_once, "unique constraint"),
    ],
)
def test_no_way_makes_a_second_account_of_the_same_name(
    client: Client, way: Callable[[Client, str], str], said: str, name: str
) -> None:
    user = User.objects.create_user(FIRST, "first@example.com", PASSWORD)
    answer = way(client, name)
    assert any(words in answer for words in said.split("|")), answer
    assert list(User.objects.exclude(username="root")) == [user]
    assert client.post("/sign-in/", {"login": name, "password": PASSWORD}).status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)


@pytest.mark.django_db
@pytest.mark.parametrize("name", SAME)
def test_the_first_account_keeps_its_name_against_others(client: Client, name: str) -> None:
    with patch.object(first_run._Seen, "account", new=False):
        said = SAID | {"username": name, "code": first_run.code(), "organization": "Halden"}
        assert client.post("/welcome/", said).status_code == 302
    with pytest.raises(people.Taken) as error:
        people.create(username=FIRST, email="other@example.com", password_hash=make_password(PASSWORD))
    assert error.value.field == "username"


@pytest.mark.django_db
def test_the_demo_takes_over_its_person_and_nobody_elses(tmp_path: Path) -> None:
    User.objects.create_user(demo.USER.upper())
    with pytest.raises(demo.Occupied):
        demo.make(tmp_path / "demo.json", clock.now())
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_name_that_grows_too_long_is_refused_by_the_form() -> None:
    form = people.AccountForm(SAID | {"username": "\ufdfa" * 150})  # one letter that stands for 18
    assert "150 characters" in str(form.errors["username"])


@pytest.mark.django_db
def test_a_change_past_the_models_does_not_leave_the_canonical_form_behind() -> None:
    user = User.objects.create_user(FIRST)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(username="someone")


@pytest.mark.django_db
@pytest.mark.parametrize("name", [FIRST, *SAME, "first@example.com"])
def test_commands_know_the_name_as_the_sign_in_page_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.objects.create_user(FIRST, "first@example.com", PASSWORD)
    monkeypatch.setattr(ChangePassword, "_get_pass", lambda self, prompt="": "another-otter-42")
    call_command("changepassword", name, stdout=StringIO())
    user.refresh_from_db()
    assert user.check_password("another-otter-42")
    organization = make_organization()
    call_command("make_owner", organization.slug, name, stdout=StringIO())
    assert user.memberships.get().role == Role.OWNER
    call_command("forget_factors", name, stdout=StringIO())
