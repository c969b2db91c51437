"""Accounts that people make themselves (dashboard/account/people.py)."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import make_password

from dashboard.account import people
from dashboard.models import User

pytestmark = pytest.mark.django_db
FORM = {"username": "ada", "email": "ada@example.com", "password": "tangled-otter-41"}


def faults(**said: str) -> dict[str, list[str]]:
    return {
        name: [str(each) for each in found] for name, found in people.AccountForm(FORM | said).errors.items()
    }


def test_an_account_is_made_with_what_was_said() -> None:
    user = people.create(
        username="ada", email="ada@example.com", password_hash=make_password(FORM["password"])
    )
    assert (user.username, user.email, user.is_staff, user.is_superuser) == (
        "ada",
        "ada@example.com",
        False,
        False,
    )
    assert user.check_password(FORM["password"])


@pytest.mark.parametrize(
    ("taken", "field"),
    [
        ({"username": "Ada"}, "username"),
        ({"username": "eve", "email": "ADA@example.com"}, "email"),
    ],
)
def test_names_and_addresses_are_unique_whatever_their_case(taken: dict[str, str], field: str) -> None:
    User.objects.create_user(**taken)
    with pytest.raises(people.Taken) as error:
        people.create(username="ada", email="ada@example.com", password_hash=make_password(FORM["password"]))
    assert error.value.field == field
    form = people.AccountForm(FORM)
    assert form.is_valid()
    form.add_taken(error.value)
    assert list(form.errors) == [field]


def test_what_is_valid() -> None:
    assert faults() == {}
    assert faults(username="ADA@example.com") == {}  # one's own address


def test_a_name_does_not_look_like_somebody_elses_address() -> None:
    # Who signs in as eve@example.com is Eve, by address: a user name would win over it.
    assert faults(username="eve@example.com") == {
        "username": ["A user name cannot contain @, unless it is your e-mail address."]
    }


@pytest.mark.parametrize(
    ("password", "fault"),
    [("short", "too short"), ("password1234", "too common"), ("ada@example.com", "too similar")],
)
def test_a_weak_password_is_refused(password: str, fault: str) -> None:
    assert fault in " ".join(faults(password=password)["password"])


def test_what_is_missing_is_named() -> None:
    assert list(faults(username="", email="no address", password="")) == ["username", "email", "password"]
