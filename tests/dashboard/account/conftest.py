"""A person with a password, and reading the audit log of the person's account."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from dashboard.models import User
from fleets.models import AuditEntry
from tests.factories import make_member, make_organization

PASSWORD = "open sesame 42"
FORGOTTEN = "/sign-in/forgotten/"
Lines = Callable[[], list[tuple[str, str, Any]]]


def mailed_link() -> str:
    """The path of the link in the newest mail."""
    found = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def reset_password(password: str, email: str = "ida@example.org") -> Any:
    """Reset a password by the mailed link; the response after it is set."""
    guest = Client()
    guest.post(FORGOTTEN, {"email": email})
    form = {"password1": password, "password2": password}
    return guest.post(guest.get(mailed_link())["Location"], form, follow=True)


@pytest.fixture
def mailing(settings: Any) -> None:
    """Let the site send mail."""
    settings.EMAIL_HOST = "mail.example"


@pytest.fixture
def user() -> User:
    return make_member(make_organization(), username="ida", password=PASSWORD, email="ida@example.org")


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    """A client that signed in by the page for it, so that its session is listed."""
    assert client.post("/sign-in/", {"login": "ida", "password": PASSWORD})["Location"] == "/"
    return client


@pytest.fixture
def lines() -> Lines:
    """Reads the audit log of the account, oldest line first: actor, action and new values."""

    def read() -> list[tuple[str, str, Any]]:
        found = AuditEntry.objects.filter(subject_kind="account", subject_id="ida").order_by("pk")
        assert {line.organization_id for line in found} <= {None}
        return [(line.actor_name, line.action, line.after) for line in found]

    return read
