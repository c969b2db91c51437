"""Account, Notifications: a person's quiet hours, and of which organizations alerts are mailed to them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.account import unsubscribed
from dashboard.account.pages import context
from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.scope_form import CHECK
from dashboard.pages.parts.silenced import say_silenced
from dashboard.pages.parts.weekly_form import WeeklyForm
from devices.alerts import follows
from devices.alerts.wishes import wishes_of
from fleets.models import Organization


class MailForm(forms.Form):
    """From which organizations mail is wanted, and whether critical incidents pass quiet hours."""

    email = forms.MultipleChoiceField(
        label="Alerts by e-mail",
        required=False,
        widget=forms.CheckboxSelectMultiple(CHECK),
        help_text="Where a rule names your role. The bell on every page tells in any case.",
    )
    critical_passes = forms.BooleanField(
        label="Critical incidents are told in quiet hours too",
        required=False,
        widget=forms.CheckboxInput(CHECK),
    )

    def __init__(self, organizations: list[Organization], data: Any, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        own = [(organization.slug, organization.name) for organization in organizations]
        self.fields["email"].choices = own  # type: ignore[attr-defined]


@require_POST
@signed_in
def unsubscribed_seen(request: HttpRequest) -> HttpResponse:
    """Say no more on every page what links in mails have ended, and lead to where that is changed."""
    unsubscribed.looked(actor=person(request))
    return redirect("account-notifications")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def notifications(request: HttpRequest) -> HttpResponse:
    """Show and save what the signed-in person wants."""
    user, shown = person(request), context(request, "notifications")
    organizations = list(shown["scope"].organizations)
    quiet, critical = follows.quiet_of(user)
    without = {one.pk for one in organizations if wishes_of(user.pk, one.pk).nothing}
    wanted = [organization.slug for organization in organizations if organization.pk not in without]
    form = MailForm(organizations, request.POST or None, {"email": wanted, "critical_passes": critical})
    hours = WeeklyForm(quiet, timezone.get_current_timezone_name(), request.POST or None)
    if form.is_valid() and hours.is_valid():
        with transaction.atomic():
            passes = form.cleaned_data["critical_passes"]
            follows.keep_quiet(actor=user, quiet=hours.hours, critical_passes=passes)
            for one in organizations:
                email = one.slug in form.cleaned_data["email"]
                if email != (one.pk not in without):
                    follows.want_email(actor=user, organization=one, email=email)
        messages.success(request, "Your notifications are saved.")
        say_silenced(request, organizations)
        return redirect("account-notifications")
    return render(request, "account/notifications.html", shown | {"form": form, "hours": hours})
