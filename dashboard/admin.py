"""The admin of the people who sign in."""

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

# People look after these themselves (dashboard.account), and they hold secrets; the console forgets factors.
admin.site.unregister([Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession])


class HashedForm(AdminUserCreationForm):
    """A new account, with a password that was hashed before."""

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
        """Hashes first: what Django does here is all in one transaction."""
        if request.method == "POST" and self.has_add_permission(request):
            form = self.get_form(request)(request.POST)
            if form.is_valid():
                usable = form.cleaned_data["set_usable_password"]
                password = form.cleaned_data["password1"] if usable else None
                request.password_hash = make_password(password)  # type: ignore[attr-defined]
        return super().add_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> type[ModelForm[User]]:
        form: Any = super().get_form(request, *args, **kwargs)  # a class of its own for each request
        form.password_hash = getattr(request, "password_hash", "")
        return form  # type: ignore[no-any-return]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001
        """Another address is not proven; the one before is told of it, as where its person changes it."""
        former = User.objects.get(pk=obj.pk).email if change else ""
        super().save_model(request, obj, form, change)
        if change and former != obj.email:
            by = request.user.get_username()
            change_of = {"before": {"address": former}, "after": {"address": obj.email}}
            lines.write("email-changed", obj, actor=None, by=by, **change_of)
            transaction.on_commit(partial(address.tell_former, request, obj, former))
