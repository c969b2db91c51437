"""Forms of allauth that are stricter here, or do more."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from allauth.account import forms as account
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms
from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponseRedirect

from dashboard.account import people, recovery, tries

# Seconds that a used code is remembered: longer than an authenticator app's code is valid.
USED_FOR: Final = 120


class Once:
    """A form that accepts each code only once; allauth alone forgets used codes after 30 s."""

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        digest = sha256("".join(code.split()).encode()).hexdigest()
        if not cache.add(f"code:{self.user.pk}:{digest}", True, USED_FOR):  # type: ignore[attr-defined]
            raise get_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(Once, forms.AuthenticateForm):
    """The second factor at signing in."""

    def clean_code(self) -> str:
        counted_try = tries.count(context.request)
        code = super().clean_code()
        counted_try.rollback()
        return code


class ReauthenticateForm(Once, forms.ReauthenticateForm):
    """The second factor when a signed-in person confirms their identity."""


class ResetPasswordKeyForm(account.ResetPasswordKeyForm):
    """A new password by a link that was mailed to the account's address, which also confirms the address."""

    def save(self) -> None:
        adapter = get_account_adapter()
        self.user.set_password(self.cleaned_data["password1"])  # before the transaction: it takes long
        with transaction.atomic():
            now = people.hold(self.user)
            if not default_token_generator.check_token(now, self.temp_key):  # used or expired meanwhile
                # A page that tells it.
                raise ImmediateHttpResponse(HttpResponseRedirect(context.request.path))
            now.password = self.user.password
            adapter.keep_password(now)
            removed = recovery.prove_by_reset(now)
        adapter.password_was_reset(now, removed)
