"""The first page of a new site, which creates the first account and organization."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.utils import perform_login
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.account import first_run
from dashboard.account.people import PLAIN, AccountForm
from devices import clock
from devices.ingest.rate_limits import Buckets, Size, origin
from fleets.text import Words, isolated

# Wrong codes from one network address: ten at once, then one every 30 s. Each process counts for itself.
WRONG: Final = Size(1 / 30, 10)
_wrong_codes = Buckets(WRONG)


class WelcomeForm(AccountForm):
    """The code that the console printed, the first account and its organization."""

    code = forms.CharField(
        max_length=40,
        help_text="Printed on the console where Lookout was started. manage.py first_code prints it again.",
        widget=forms.TextInput({**PLAIN, "autocomplete": "off", "placeholder": "XXXX-XXXX-XXXX"}),
    )
    organization = Words(
        max_length=100,
        help_text="It owns your devices. You become its Owner and can rename it later.",
        widget=forms.TextInput({"class": "form-control", "autocomplete": "organization"}),
    )
    field_order = ["code", "username", "email", "password", "organization"]

    def __init__(self, address: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.origin = origin(address) if address else address

    def clean_code(self) -> str:
        now = clock.now().timestamp()
        if _wrong_codes.is_empty(self.origin, now):
            raise forms.ValidationError("Too many wrong codes. Wait a minute, then try again.")
        entered: str = self.cleaned_data["code"]
        if not first_run.is_code(entered):
            _wrong_codes.take(self.origin, now)
            raise forms.ValidationError("This is not the code. Nothing was created.")
        return entered


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest) -> HttpResponse:
    """Create the first account, once; afterwards the page redirects to the Fleets page."""
    if first_run.is_over():
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = WelcomeForm(request.META.get("REMOTE_ADDR", ""), request.POST or None)
    if form.is_valid():
        values = {name: value for name, value in form.cleaned_data.items() if name != "code"}
        try:
            user, organization = first_run.set_up(**values)
        except first_run.Over:
            messages.error(
                request, "Somebody else has just set up this site. Sign in, or ask them for access."
            )
            return redirect(settings.LOGIN_REDIRECT_URL)
        perform_login(request, user)
        messages.success(request, f"Welcome. {isolated(organization)} is yours.")
        return redirect(settings.LOGIN_REDIRECT_URL)
    response = render(request, "welcome.html", {"form": form})
    add_never_cache_headers(response)
    return response
