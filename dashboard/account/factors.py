"""allauth's adapter for second factors and passkeys; their secrets are stored encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from cryptography.fernet import InvalidToken
from django.utils.safestring import SafeString, mark_safe

from fleets.access.encryption import fernet

if TYPE_CHECKING:
    from dashboard.models import User

KIND = "lookout.second-factors"


class Factors(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_generate_recovery_codes": "Recovery codes replace a second factor. Add one first.",
        "incorrect_code": "This is wrong, or it was already used. Nothing was changed. Try again.",
    }

    def get_totp_label(self, user: User) -> str:
        return user.username

    def get_totp_issuer(self) -> str:
        return f"Lookout {context.request.get_host()}"

    def build_totp_svg(self, url: str) -> SafeString:
        """The QR code as an SVG element without inline styles, as the content security policy requires."""
        _, start, element = super().build_totp_svg(url).partition("<svg")
        return mark_safe(f"{start}{element}")  # noqa: S308 - the library draws it, with no text of ours

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"

    def encrypt(self, text: str) -> str:
        return fernet(KIND).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The decrypted secret; a random one if SECRET_KEY was changed, which no code matches."""
        try:
            return fernet(KIND).decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            return str(generate_totp_secret())


def words_of(authenticator: Authenticator) -> str:
    """A factor in words: its kind, and the name of a passkey."""
    kinds: dict[Any, str] = {"totp": "authenticator app", "recovery_codes": "recovery codes"}
    return kinds.get(authenticator.type) or f"passkey or security key {authenticator.wrap().name}"
