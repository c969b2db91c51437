"""The authentication backend: allauth's, with the site's own rule for which account a name means.

Each attempt hashes exactly one password. allauth's own backend compares user names and e-mail addresses in
turn, twice for a known address and once for an unknown one, so that its time tells which accounts exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from allauth.account.auth_backends import AuthenticationBackend

from dashboard.account import people
from dashboard.models import User

if TYPE_CHECKING:
    from django.http import HttpRequest


ACCOUNT: Final = "SELECT * FROM dashboard_user WHERE id = %s"


class Backend(AuthenticationBackend):
    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """The account that `people.named` finds, if this is its password; else None.

        It overrides a private method, as there is no public hook. It also hashes if there is no account.
        """
        user = people.named(credentials.get("username") or credentials.get("email") or "")
        found: User | None = self._check_password(user, credentials["password"])
        return found

    def get_user(self, user_id: int) -> User | None:
        """The account with this primary key, if it may sign in; by SQL, as each request asks for it."""
        found = next(iter(User.objects.raw(ACCOUNT, [user_id])), None)
        return found if self.user_can_authenticate(found) else None
