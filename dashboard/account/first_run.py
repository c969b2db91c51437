"""The first run: while the site has no account every page redirects to /welcome/, which creates the first.

That page requires a code that only the console prints, so that nobody else takes over a new site. The code
is derived from SECRET_KEY and the moment of the first migration: it is the same in all processes, stored
nowhere, and useless once an account exists.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Callable
from typing import Final

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import salted_hmac

from dashboard.account import people
from dashboard.models import User
from fleets.models import Organization
from fleets.services import organizations

CODE_LENGTH: Final = 12  # characters of 5 bits: 60 bits
# Paths that answer without an account: the page, its static files, and the calls of devices.
OPEN: Final = ("/welcome/", "/static/", "/theme/", "/api/")


class Over(Exception):
    """The site has an account already, so the first run is over."""


class _Seen:
    """Whether this process has seen an account; then it no longer queries for one."""

    account = False


def is_over() -> bool:
    """Whether the site has an account; takes a query until it has one."""
    if not _Seen.account:
        _Seen.account = User.objects.exists()
    return _Seen.account


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: redirects to /welcome/ while there is no account."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if _Seen.account or request.path.startswith(OPEN) or is_over():
            return get_response(request)
        return HttpResponseRedirect(reverse("welcome"))

    return answer


def code() -> str:
    """The code of the first run, 60 bits in base 32 as three groups: ABCD-EFGH-2345."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(applied)::text FROM django_migrations")
        (first_migration,) = cursor.fetchone()
    digest = salted_hmac("lookout.first-run", first_migration, algorithm="sha256").digest()
    text = b32encode(digest).decode()[:CODE_LENGTH]
    return "-".join(text[start : start + 4] for start in range(0, CODE_LENGTH, 4))


def is_code(entered: str) -> bool:
    """Whether this is the code, in any case, with or without hyphens and spaces."""
    return hmac.compare_digest(_plain(entered).encode(), _plain(code()).encode())


def _plain(text: str) -> str:
    return "".join(text.upper().split()).replace("-", "")


def set_up(*, username: str, email: str, password: str, organization: str) -> tuple[User, Organization]:
    """Create the first account, a superuser, and its organization. Raises Over if there is an account."""
    password_hash = make_password(password)  # before the transaction: it takes long
    return _set_up({"username": username, "email": email, "password_hash": password_hash}, organization)


@transaction.atomic
def _set_up(account: dict[str, str], organization: str) -> tuple[User, Organization]:
    """Create both under a lock on the table of accounts, so that only the first of two people does."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE dashboard_user IN SHARE ROW EXCLUSIVE MODE")
    if User.objects.exists():
        raise Over("This site already has an account.")
    user = people.create(**account, superuser=True)
    return user, organizations.create(name=organization, actor=user)
