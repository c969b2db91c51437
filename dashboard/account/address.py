"""Confirming that an e-mail address is one's own, by opening a link that was sent there.

Until then the address of an account was only typed, when it was created by an invitation or the first run.
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
VALID_FOR: Final = 3600  # seconds


def send_link(request: HttpRequest, user: User, email: str) -> None:
    """Send a link to this address, which works for an hour while the account's address is unchanged."""
    secret = signing.dumps([user.pk, user.email, user.proven_email, email], salt=SALT)
    link = request.build_absolute_uri(reverse("account_email_link", args=[secret]))
    get_adapter().send_mail("account/email/prove", email, {"user": user, "link": link})


def is_valid(secret: str) -> bool:
    """Whether this site signed the link, less than VALID_FOR ago."""
    return _payload(secret) is not None


def proven(secret: str, user: User) -> str:
    """The address that this link confirms for this account; "" if the link is not, or no longer, valid."""
    payload = _payload(secret)
    current = [user.pk, user.email, user.proven_email]
    return str(payload[3]) if payload and payload[:3] == current else ""


def _payload(secret: str) -> list[Any] | None:
    """What the link signs: the account's id, address and confirmed address, and the address to confirm."""
    try:
        payload: list[Any] = signing.loads(secret, salt=SALT, max_age=VALID_FOR)
    except signing.BadSignature:
        return None
    return payload


def prove(user: User, email: str) -> None:
    """Set this as the account's confirmed address.

    Raises people.Taken if another account has it, ChangedMeanwhile if the account's address is no longer
    that of `user`.
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
    """Send a notice to the account's former address if it is another one, as its person may not know."""
    if not former or former == user.email:
        return
    with request_context(request):  # the admin sends the notice after its request has committed
        get_adapter().send_notification_mail(
            "account/email/email_changed", user, {"user": user}, email=former
        )
