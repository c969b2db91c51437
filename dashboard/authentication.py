"""Who signs in: by user name, or by e-mail address whatever its case."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from dashboard.models import User


class NameOrEmail(ModelBackend):
    """Django's own back end, which also finds a person by e-mail address; a user name wins."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if username and not User.objects.filter(username=username).exists():
            named = User.objects.filter(email__iexact=username).values_list("username", flat=True)
            username = named.first() or username
        user = super().authenticate(request, username=username, password=password, **kwargs)
        return user if isinstance(user, User) else None
