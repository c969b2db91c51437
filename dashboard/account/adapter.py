"""allauth's adapter for signing in: the site's texts, limits of attempts, and lines in the audit log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.contrib.sites.shortcuts import get_current_site
from django.db import transaction

from dashboard.account import lines, people, sessions, tries
from dashboard.http.concurrency_limits import Bound, release_connection
from dashboard.user_names import canonical

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from dashboard.models import User

logger = logging.getLogger(__name__)
WRONG: Final = "The user name or e-mail address and the password do not match."
LOCKED: Final = (
    "Too many wrong passwords for this account or from this address. Nothing was changed, and nobody is "
    "signed out. Wait five minutes, then try again."
)
ANOTHERS: Final = "Nothing was changed, because it is connected to another account."
REMOVED: Final = (
    "Your e-mail address is confirmed. Second factors, passkeys and connected sign-ins that were added before"
    " were removed, because somebody else could have added them. Please add yours again."
)
# Messages after an action, by the name of allauth's template for it; other actions show none.
MESSAGES: Final = {
    "account/messages/password_changed.txt": "The password is changed. Sessions elsewhere were ended.",
    "account/messages/password_set.txt": "The password is set. Sessions elsewhere were ended.",
    "socialaccount/messages/account_connected.txt": "It is connected. You can sign in with it from now on.",
    "socialaccount/messages/account_connected_updated.txt": "It was already connected.",
    "socialaccount/messages/account_connected_other.txt": ANOTHERS,
    "socialaccount/messages/account_disconnected.txt": "It is disconnected and no longer signs you in.",
}


# Concurrent e-mails, as a mail server may take seconds for each.
MAILS: Final = Bound(
    4,
    "The server is busy with other e-mails",
    "It sends only a few e-mails at a time. Nothing was changed. Go back and try again in a few seconds.",
    again=5,
)


class Adapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is switched off. Ask an administrator of the site.",
        "email_password_mismatch": WRONG,
        "username_password_mismatch": WRONG,
        "enter_current_password": "This is not your password.",
        "incorrect_password": "This is not your password.",
        "incorrect_code": "This code is wrong, or it was already used.",
        "invalid_password_reset": "This link was already used, or it has expired.",
        "too_many_login_attempts": LOCKED,
        "rate_limited": "Too many tries. Wait a minute, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """False, as accounts are created only by the first run and by invitations."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The caller's address from dashboard.http.proxy; on a Unix socket all callers count as one."""
        return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104 - nothing listens here

    def is_ajax(self, request: HttpRequest) -> bool:
        """Whether a script sent the request: only a passkey's challenge is fetched by one."""
        match = request.resolver_match
        return bool(match and match.url_name == "mfa_login_webauthn" and super().is_ajax(request))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """The cache key under which attempts are counted: one for an account, whatever name it is given.

        It overrides a private method, as there is no public hook: allauth counts user name and e-mail address
        apart, which allows twice as many attempts.
        """
        login = credentials.get("username") or credentials.get("email") or ""
        user = people.named(login)
        # The canonical form, as different spellings must count as one for unknown names as well: otherwise
        # the limit would tell which accounts exist.
        return f"account:{user.pk}" if user else f"nobody:{canonical(login.strip())}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        self._counted_try = tries.count(request)
        super().pre_authenticate(request, **credentials)

    def _rollback_login_failed_rl_usage(self) -> None:
        """Undo the count of attempts after a right password; it overrides a private method of allauth."""
        super()._rollback_login_failed_rl_usage()
        self._counted_try.rollback()

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        user = people.named(credentials.get("username") or credentials.get("email") or "")
        if user:
            lines.write("sign-in-failed", user, actor=None, after={"how": "password"})

    def reauthenticate(self, user: User, password: str) -> bool:
        """Whether this is the password of a person who is signed in; the view limits the attempts.

        They are not counted with sign-ins, as strangers who guess must not lock out a person at work.
        """
        if user.check_password(password):
            return True
        lines.write("sign-in-failed", user, after={"how": "confirming it is you: password"})
        return False

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        """Record the sign-in; every way to sign in ends here."""
        response: HttpResponse = super().post_login(request, user, **details)
        how = lines.how(request)
        lines.write("signed-in", user, after={"how": how} if how else None)
        return response

    def logout(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            lines.write("signed-out", request.user)
            sessions.forget(request.session.session_key)
        super().logout(request)

    def set_password(self, user: User, password: str) -> None:
        """Set a password that the person chose, and end the account's other sessions."""
        user.set_password(password)  # before the transaction: it takes long
        self.keep_password(user)

    @transaction.atomic
    def keep_password(self, user: User) -> None:
        """Save the password hash of `user`, and end the account's other sessions."""
        user.save(update_fields=["password"])
        own = self.request is not None and self.request.user == user
        lines.write("password-changed" if own else "password-reset", user)
        sessions.end_all(user, but=self.request.session.session_key if own else None)

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Send the link to the account's address, whatever address was entered."""
        super().send_password_reset_mail(user, user.email, context)

    def password_was_reset(self, user: User, removed: int) -> None:
        """After a reset by mail: forget wrong passwords, and show that `removed` factors were removed."""
        self._delete_login_attempts_cached_email(self.request, email=user.email)
        if removed:
            messages.warning(self.request, REMOVED)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        message = message or MESSAGES.get(message_template or "")
        super().add_message(request, level, extra_tags=extra_tags, message=message)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send an e-mail; the database connection is released while the mail server is waited for."""
        own_context = {
            "request": self.request,
            "email": email,
            "current_site": get_current_site(self.request),
        }
        mail = self.render_mail(template_prefix, email, own_context | context)
        release_connection()
        mail.send()

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send a notice of a change of the account, if mail is set up; a failure is only logged."""
        if not settings.EMAIL_HOST:
            return
        try:
            super().send_notification_mail(*args, **kwargs)
        except OSError as error:  # errors of smtplib are OSErrors
            logger.warning("A notice by e-mail was not sent: %s", type(error).__name__)
