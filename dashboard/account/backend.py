"""Whose password is compared: allauth's backend, with the site's own rule of who a name names.

One account's, so every try hashes exactly once. allauth's own compares once for each way to call an account:
twice for a known e-mail address, once for an unknown one, so the time told strangers who has an account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.auth_backends import AuthenticationBackend

from dashboard.account import people

if TYPE_CHECKING:
    from django.http import HttpRequest

    from dashboard.models import User


class Backend(AuthenticationBackend):
    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """The account that `people.named` finds, if this is its password.

        No public hook: allauth's own compares user names by case alone. For nobody it hashes as well.
        """
        user = people.named(credentials.get("username") or credentials.get("email") or "")
        found: User | None = self._check_password(user, credentials["password"])
        return found
