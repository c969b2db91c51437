"""The audit log's lines about accounts: of no organization, for the administrators of the site."""

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

SELF: Final = object()
HOW: Final = {
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
    """A line about this account; by its own person, or where `actor` is None by whom `by` names."""
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
    """What a connected sign-in is, as the log tells it."""
    return {"provider": account.provider, "as": account.uid}


def how(request: HttpRequest) -> str:
    """By what the person of this session has shown to be that person, in order; empty: it was made."""
    records = get_authentication_records(request, request.user)
    ways = (HOW.get(record.get("type") or record["method"], record["method"]) for record in records)
    return ", ".join(dict.fromkeys(ways))
