"""The first run: while the site has no account every page leads to /welcome/, which makes the first one.

That page asks for a code that only the console says, so that nobody else who finds a new site takes it.
The code follows from the site's SECRET_KEY and the moment its database was made: all processes say the
same, nothing is stored, and it is good for nothing once an account exists.
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
# What answers without an account: the page itself, what it is made of, and what machines ask.
OPEN: Final = ("/welcome/", "/static/", "/theme/", "/api/")


class Over(Exception):
    """The site has an account already."""


class _Seen:
    """Whether this process has seen an account: from then on it asks no more."""

    account = False


def is_over() -> bool:
    """Whether somebody has an account; costs a query until then, nothing after."""
    if not _Seen.account:
        _Seen.account = User.objects.exists()
    return _Seen.account


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Leads to /welcome/ while there is no account."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if _Seen.account or request.path.startswith(OPEN) or is_over():
            return get_response(request)
        return HttpResponseRedirect(reverse("welcome"))

    return answer


def code() -> str:
    """The code of the first run, in groups to be read aloud: ABCD-EFGH-2345."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(applied)::text FROM django_migrations")
        (made,) = cursor.fetchone()
    digest = salted_hmac("lookout.first-run", made, algorithm="sha256").digest()
    text = b32encode(digest).decode()[:CODE_LENGTH]
    return "-".join(text[start : start + 4] for start in range(0, CODE_LENGTH, 4))


def is_code(entered: str) -> bool:
    """Whether somebody entered the code, in whatever case, with or without hyphens and spaces."""
    return hmac.compare_digest(_plain(entered).encode(), _plain(code()).encode())


def _plain(text: str) -> str:
    return "".join(text.upper().split()).replace("-", "")


def set_up(*, username: str, email: str, password: str, organization: str) -> tuple[User, Organization]:
    """The first account, which administers the site, and its organization. Raises Over."""
    password_hash = make_password(password)  # before the transaction: it takes long
    return _set_up({"username": username, "email": email, "password_hash": password_hash}, organization)


@transaction.atomic
def _set_up(account: dict[str, str], organization: str) -> tuple[User, Organization]:
    """Who does this at the same time waits here, and finds that it is over."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE dashboard_user IN SHARE ROW EXCLUSIVE MODE")
    if User.objects.exists():
        raise Over("This site already has an account.")
    user = people.create(**account, superuser=True)
    return user, organizations.create(name=organization, actor=user)
