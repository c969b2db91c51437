"""Django's admin for accounts."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from dashboard.account import address, lines
from dashboard.models import User
from fleets.text import IN_ADMIN

# People manage these themselves (dashboard.account), and they contain secrets; the command forget_factors
# removes second factors.
admin.site.unregister([Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession])


class HashedForm(AdminUserCreationForm):
    """The form of a new account, whose password was hashed before the transaction began."""

    password_hash = ""

    def set_password_and_save(self, user: User, commit: bool = True, **rest: Any) -> User:  # noqa: FBT001, FBT002
        user.password = self.password_hash
        if commit:
            user.save()
        return user


@admin.register(User)
class PersonAdmin(UserAdmin):
    formfield_overrides = IN_ADMIN
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Display", {"fields": ["time_zone"]}))
    add_form = HashedForm

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Hash the password first, as it takes long and Django does the rest in one transaction."""
        if request.method == "POST" and self.has_add_permission(request):
            form = self.get_form(request)(request.POST)
            if form.is_valid():
                usable = form.cleaned_data["set_usable_password"]
                password = form.cleaned_data["password1"] if usable else None
                request.password_hash = make_password(password)  # type: ignore[attr-defined]
        return super().add_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> type[ModelForm[User]]:
        form: Any = super().get_form(request, *args, **kwargs)  # a new class for each request
        form.password_hash = getattr(request, "password_hash", "")
        return form  # type: ignore[no-any-return]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001
        """Record a change of the e-mail address, and send a notice to the former address."""
        former = User.objects.get(pk=obj.pk).email if change else ""
        super().save_model(request, obj, form, change)
        if change and former != obj.email:
            by = request.user.get_username()
            addresses = {"before": {"address": former}, "after": {"address": obj.email}}
            lines.write("email-changed", obj, actor=None, by=by, **addresses)
            transaction.on_commit(partial(address.tell_former, request, obj, former))
