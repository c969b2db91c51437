"""Lines of the audit log for events that allauth announces only by signals; the adapters write the others.

These are no signals of Django's models: each is sent by the one function that does the thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.mfa import signals as mfa
from allauth.socialaccount import signals as connections

from dashboard.account import factors, lines

if TYPE_CHECKING:
    from allauth.mfa.models import Authenticator
    from allauth.socialaccount.models import SocialAccount, SocialLogin

    from dashboard.models import User


def connect() -> None:
    """Connect the receivers of this module; called once, when the app is ready."""
    mfa.authenticator_added.connect(added)
    mfa.authenticator_removed.connect(removed)
    mfa.authenticator_reset.connect(renewed)
    mfa.authentication_failed.connect(failed)
    connections.social_account_added.connect(connected)
    connections.social_account_removed.connect(disconnected)


def added(*, user: User, authenticator: Authenticator, **rest: Any) -> None:
    lines.write("factor-added", user, after={"factor": factors.words_of(authenticator)})


def removed(*, user: User, authenticator: Authenticator, **rest: Any) -> None:
    lines.write("factor-removed", user, before={"factor": factors.words_of(authenticator)})


def renewed(*, user: User, **rest: Any) -> None:
    lines.write("recovery-codes-renewed", user)


def failed(*, user: User, authenticator: Authenticator, reauthentication: bool = False, **rest: Any) -> None:
    """Record a wrong second factor; without `reauthentication` the actor is unknown, as at a sign-in."""
    actor = lines.SELF if reauthentication else None
    how = f"second factor: {factors.words_of(authenticator)}"
    lines.write("sign-in-failed", user, actor=actor, after={"how": how})


def connected(*, sociallogin: SocialLogin, **rest: Any) -> None:
    lines.write("sign-in-connected", sociallogin.user, after=lines.connection(sociallogin.account))


def disconnected(*, socialaccount: SocialAccount, **rest: Any) -> None:
    lines.write("sign-in-disconnected", socialaccount.user, before=lines.connection(socialaccount))
