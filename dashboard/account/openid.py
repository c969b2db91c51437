"""One OpenID Connect provider, as the environment names it: who it says one is, and which account that is.

An account is found by what was connected to it before, or by an e-mail address that both sides have proven:
the provider says so, and a link was opened here that was sent there. An address that somebody only typed
leads into no account, in neither direction.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from django.conf import settings

from dashboard.account import people
from dashboard.account.pages import prove_first
from dashboard.http.concurrency_limits import Bound, release_connection
from dashboard.models import User
from fleets.access.people import must_prove
from fleets.text import kept

if TYPE_CHECKING:
    import requests
    from allauth.socialaccount.models import SocialLogin
    from django.http import HttpRequest


# Each sign-in asks it up to four times, which each may take seconds.
PROVIDER: Final = Bound(
    4,
    "Too many people are signing in",
    "The server asks the sign-in provider for a few people at a time. Nothing was changed. Go back to the"
    " sign-in page and try again in a few seconds.",
    again=5,
)


def provider_id() -> str:
    """Names the provider, in addresses and accounts: another issuer's people are others."""
    return f"oidc-{sha256(settings.OIDC_ISSUER.encode()).hexdigest()[:12]}"


class Connections(DefaultSocialAccountAdapter):
    error_messages = DefaultSocialAccountAdapter.error_messages | {
        "no_password": "Nothing was changed, because you could not sign in without it. Set a password first.",
    }

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The one of the environment, or none; the table of allauth is not used."""
        if not settings.OIDC_ISSUER:
            return []
        app = SocialApp(
            provider="openid_connect",
            provider_id=provider_id(),
            name=settings.OIDC_NAME,
            client_id=settings.OIDC_CLIENT_ID,
            secret=settings.OIDC_CLIENT_SECRET,
            settings={"server_url": settings.OIDC_ISSUER, "oauth_pkce_enabled": True},
        )
        wanted = provider in {None, app.provider, app.provider_id} and client_id in {None, app.client_id}
        return [app] if wanted else []

    def get_requests_session(self) -> requests.Session:
        """What the provider is asked with; no connection to the database waits for its answer."""
        session: requests.Session = super().get_requests_session()
        ask = session.request

        def bounded(*args: Any, **kwargs: Any) -> requests.Response:
            with PROVIDER.slot():
                release_connection()
                return ask(*args, **kwargs)

        session.request = bounded  # type: ignore[method-assign]
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Connect who comes for the first time, where an account has the proven address.

        Who is signed in connects once the account's own address is proven.
        """
        if sociallogin.state.get("process") == "connect" and request.user.is_authenticated:
            if must_prove(request.user):
                raise ImmediateHttpResponse(prove_first(request))
            return
        if sociallogin.is_existing or sociallogin.state.get("process") != "login":
            return
        user = people.proven(proven_addresses(sociallogin))
        if user:
            sociallogin.connect(request, user)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Whether somebody unknown gets an account: where the site wants that, for a new proven address."""
        addresses = proven_addresses(sociallogin)
        taken = any(people.named(address) for address in addresses)
        return settings.OIDC_CREATE_ACCOUNTS and bool(addresses) and not taken

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """The new account: no password, and connected."""
        told, email = sociallogin.user, proven_addresses(sociallogin)[0]
        username = get_account_adapter().generate_unique_username([told.username, email, "user"])
        user = people.create_connected(
            username=username, email=email, first_name=kept(told.first_name), last_name=kept(told.last_name)
        )
        sociallogin.connect(request, user)
        return user


def proven_addresses(sociallogin: SocialLogin) -> list[str]:
    """The e-mail addresses that the provider says it has verified; some say so in words."""
    return [
        address.email.lower() for address in sociallogin.email_addresses if address.verified in {True, "true"}
    ]
