"""Showing that an e-mail address is one's own: by opening a link that was sent there.

An account made by an invitation or at the first run has an address that somebody only typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from allauth.account.adapter import get_adapter
from allauth.core.context import request_context
from django.core import signing
from django.urls import reverse

from dashboard.account import lines, people
from fleets.meanwhile import ChangedMeanwhile
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from django.http import HttpRequest

    from dashboard.models import User

SALT: Final = "lookout.address"
GOOD_FOR: Final = 3600  # seconds


def send_link(request: HttpRequest, user: User, email: str) -> None:
    """Send the link to this address. It is good while the account's address is what it is now."""
    secret = signing.dumps([user.pk, user.email, user.proven_email, email], salt=SALT)
    link = request.build_absolute_uri(reverse("account_email_link", args=[secret]))
    get_adapter().send_mail("account/email/prove", email, {"user": user, "link": link})


def is_good(secret: str) -> bool:
    """Whether this site signed the link, less than an hour ago."""
    return _told(secret) is not None


def proven(secret: str, user: User) -> str:
    """The address that this link proves to be this person's; empty: none (any more)."""
    told = _told(secret)
    return str(told[3]) if told and told[:3] == [user.pk, user.email, user.proven_email] else ""


def _told(secret: str) -> list[Any] | None:
    try:
        told: list[Any] = signing.loads(secret, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        return None
    return told


def prove(user: User, email: str) -> None:
    """Make this the account's address, as proven.

    Raises people.Taken where another account has it, ChangedMeanwhile where the account has not the address
    any more that `user` says: what was asked for before counts no more.
    """
    before, linked_to = user.email, (user.email, user.proven_email)
    try:
        with unique_violation(lambda _: people.Taken("email")):
            now = people.hold(user)
            if (now.email, now.proven_email) != linked_to:
                raise ChangedMeanwhile("The address of the account")
            user.email = user.proven_email = email.lower()
            user.save(update_fields=["email", "proven_email"])
            lines.write("email-proven", user, before={"address": before}, after={"address": user.email})
    except people.Taken:
        user.refresh_from_db()
        raise


def tell_former(request: HttpRequest, user: User, former: str) -> None:
    """Tell the address that the account had before, where it had another: its person may not know."""
    if not former or former == user.email:
        return
    with request_context(request):  # it may be over: the admin tells once its change is committed
        get_adapter().send_notification_mail(
            "account/email/email_changed", user, {"user": user}, email=former
        )
