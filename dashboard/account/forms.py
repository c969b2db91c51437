"""Forms of allauth's that must be stricter here."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms
from django.core.cache import cache

USED_FOR: Final = 120  # seconds: longer than a code of an authenticator app is good for


class Once:
    """A code is good once, as long as it is good at all: allauth itself forgets used ones after 30 s."""

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        digest = sha256("".join(code.split()).encode()).hexdigest()
        if not cache.add(f"code:{self.user.pk}:{digest}", True, USED_FOR):  # type: ignore[attr-defined]
            raise get_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(Once, forms.AuthenticateForm):
    """The second factor at signing in."""


class ReauthenticateForm(Once, forms.ReauthenticateForm):
    """The second factor where a signed-in person confirms to be that person."""
