"""The admin of the people who sign in."""

from functools import partial
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.http import HttpRequest

from dashboard.account import address, lines
from dashboard.models import User

# People look after these themselves (dashboard.account), and they hold secrets; the console forgets factors.
admin.site.unregister([Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession])


@admin.register(User)
class PersonAdmin(UserAdmin):
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Display", {"fields": ["time_zone"]}))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001
        """Another address is not proven; the one before is told of it, as where its person changes it."""
        former = User.objects.get(pk=obj.pk).email if change else ""
        super().save_model(request, obj, form, change)
        if change and former != obj.email:
            by = request.user.get_username()
            change_of = {"before": {"address": former}, "after": {"address": obj.email}}
            lines.write("email-changed", obj, actor=None, by=by, **change_of)
            transaction.on_commit(partial(address.tell_former, request, obj, former))
