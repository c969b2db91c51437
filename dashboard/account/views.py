"""Pages of the account that allauth does not have, such as the profile, or that differ from allauth's."""

from __future__ import annotations

from typing import Final

from allauth.account import views as allauth
from allauth.mfa.totp import views as app
from allauth.socialaccount.providers.openid_connect import views as openid
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from requests import RequestException

from dashboard.account import lines, people, sessions
from dashboard.account.pages import context
from dashboard.account.time_zones import ZoneMenu, zones
from dashboard.http.scope import person, signed_in
from fleets.text import Words

CONTROL: Final = {"class": "form-control"}
LONGEST_VALUE: Final = 4500  # characters: enough for a page to return to, with the longest stored query


class ProfileForm(forms.Form):
    """The form of a person's names and time zone."""

    first_name = Words(
        label="First name",
        max_length=150,
        required=False,
        widget=forms.TextInput(CONTROL | {"autocomplete": "given-name"}),
    )
    last_name = Words(
        label="Last name",
        max_length=150,
        required=False,
        widget=forms.TextInput(CONTROL | {"autocomplete": "family-name"}),
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        required=False,
        help_text="All times are shown in this time zone.",
        choices=lambda: [("", "Same as the browser"), *zones()],
        widget=ZoneMenu(CONTROL),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def profile(request: HttpRequest) -> HttpResponse:
    user = person(request)
    initial = {name: getattr(user, name) for name in ("first_name", "last_name", "time_zone")}
    form = ProfileForm(request.POST or None, initial=initial)
    if form.is_valid():
        people.edit_profile(user, **form.cleaned_data)
        messages.success(request, "Your profile is saved.")
        return redirect("account")
    return render(request, "account/profile.html", context(request, "profile") | {"form": form})


@require_safe
@signed_in
def listed(request: HttpRequest) -> HttpResponse:
    shown = context(request, "sessions")
    found = sessions.open_ones(person(request), request.session.session_key, shown["at"])
    return render(request, "account/sessions.html", shown | {"sessions": found})


def forgotten(request: HttpRequest) -> HttpResponseBase:
    """The page that mails a link for a new password; without mail it tells what else to do."""
    if request.method == "POST" and not settings.EMAIL_HOST:
        return redirect("account_reset_password")
    answer: HttpResponseBase = allauth.password_reset(request)
    return answer


def add_app(request: HttpRequest) -> HttpResponseBase:
    """Add an authenticator app; if there is one, as after a form sent twice, lead to the list of factors.

    allauth would lead to the page that removes it.
    """
    answer: HttpResponseBase = app.activate_totp(request)
    has_one = isinstance(answer, HttpResponseRedirect) and answer.url == reverse("mfa_deactivate_totp")
    return redirect("mfa_index") if has_one else answer


@require_POST
def leave(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Lead to the OpenID Connect provider, by a page and not by a redirect.

    A form that redirects to another site would have to be allowed in the content security policy of every
    page. The request's values are stored in a session until the person returns, so their length is limited.
    """
    values = [*request.POST.values(), *request.GET.values()]
    if any(len(str(value)) > LONGEST_VALUE for value in values):
        return render(request, "400.html", status=400)
    try:
        answer: HttpResponseBase = openid.login(request, provider_id)
    except RequestException:
        return render(request, "socialaccount/authentication_error.html", status=502)
    if isinstance(answer, HttpResponseRedirect) and not answer.url.startswith("/"):
        response = render(request, "socialaccount/leaving.html", {"address": answer.url})
        add_never_cache_headers(response)
        return response
    return answer


@require_POST
@signed_in
def end_one(request: HttpRequest, session: int) -> HttpResponse:
    ended = sessions.end(person(request), session, but=request.session.session_key)
    return _ended(request, ended)


@require_POST
@signed_in
def end_others(request: HttpRequest) -> HttpResponse:
    ended = sessions.end_all(person(request), but=request.session.session_key)
    return _ended(request, ended)


def _ended(request: HttpRequest, ended: int) -> HttpResponse:
    if ended:
        lines.write("sessions-ended", person(request), after={"sessions": ended})
        words = "One session was ended." if ended == 1 else f"{ended} sessions were ended."
        messages.success(request, words)
    else:
        messages.info(request, "Nothing was ended. No other session was open.")
    return redirect("account_sessions")
