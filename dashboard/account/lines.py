"""Lines of the audit log about accounts; they have no organization and are shown to superusers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from allauth.account.authentication import get_authentication_records

from devices import clock
from fleets import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from allauth.socialaccount.models import SocialAccount
    from django.http import HttpRequest

    from dashboard.models import User

SELF: Final = object()  # as actor: the account that the line is about
HOW: Final = {  # ways to sign in, in words, by allauth's names for them
    "password": "password",
    "password_reset": "a link by e-mail",
    "socialaccount": "OpenID Connect",
    "totp": "authenticator app",
    "recovery_codes": "recovery code",
    "webauthn": "passkey or security key",
}


def write(
    action: str,
    user: User,
    *,
    actor: User | object | None = SELF,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: str = "somebody",
) -> None:
    """Write a line about this account; the actor is its own person, or `by` if `actor` is None."""
    audit.record(
        action,
        actor=user if actor is SELF else None,
        organization=None,
        subject=("account", user.username, user.get_full_name()),
        at=clock.now(),
        before=before,
        after=after,
        by=by,
    )


def connection(account: SocialAccount) -> dict[str, str]:
    """The values of a connected sign-in for the audit log."""
    return {"provider": account.provider, "as": account.uid}


def how(request: HttpRequest) -> str:
    """The ways in which this session was authenticated, in words and order; "" for a new account's."""
    records = get_authentication_records(request, request.user)
    ways = (HOW.get(record.get("type") or record["method"], record["method"]) for record in records)
    return ", ".join(dict.fromkeys(ways))
