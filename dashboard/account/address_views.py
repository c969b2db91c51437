"""The pages on which a person changes and confirms the e-mail address of their account."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.core.ratelimit import consume_or_429
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.account import address, people
from dashboard.account.pages import context
from dashboard.http.scope import person, signed_in
from fleets.meanwhile import ChangedMeanwhile
from fleets.services import invitations

if TYPE_CHECKING:
    from dashboard.models import User

logger = logging.getLogger(__name__)
SESSION_KEY: Final = "account-email"
INVALID_LINK: Final = (
    "Nothing was changed. The link was already used, has expired or belongs to another account."
)


class AddressForm(forms.Form):
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        help_text="We send a link there. Open it to confirm the address.",
        widget=forms.EmailInput({"class": "form-control", "autocomplete": "email"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def change(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = AddressForm(request.POST or None, initial={"email": user.email})
    if settings.EMAIL_HOST and form.is_valid():
        raise_if_reauthentication_required(request, app="allauth.account")
        refused = send_link(request, user, form.cleaned_data["email"].lower())
        return refused or redirect("account_email_change")
    return render(request, "account/address.html", context(request, "email") | {"form": form})


def send_link(request: HttpRequest, user: User, email: str) -> HttpResponse | None:
    """Send the link and show a message on the next page; returns a response if too many were requested."""
    refused: HttpResponse | None = consume_or_429(request, action="manage_email", user=user)
    if refused:
        return refused
    try:
        address.send_link(request, user, email)
    except OSError:  # errors of smtplib are OSErrors
        logger.exception("A link to confirm an e-mail address was not sent")
        messages.error(request, "The link was not sent, because the mail server refused it. Try again later.")
    else:
        messages.success(request, f"A link was sent to {email}. It works for an hour.")
    return None


@require_safe
def opened(request: HttpRequest, secret: str) -> HttpResponse:
    """Store the opened link in the session, so that its secret leaves the address bar.

    Only a valid link is stored, so that nobody without an account can write to the database.
    """
    request.session.pop(SESSION_KEY, None)
    if address.is_valid(secret):
        request.session[SESSION_KEY] = secret
    response = redirect("account_email_prove")
    add_never_cache_headers(response)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def prove(request: HttpRequest) -> HttpResponse:
    user = person(request)
    email = address.proven(request.session.get(SESSION_KEY, ""), user)
    if not email:
        messages.error(request, INVALID_LINK)
        return redirect("account_email_change")
    if request.method == "POST":
        del request.session[SESSION_KEY]
        former = user.email
        try:
            address.prove(user, email)
        except ChangedMeanwhile:
            messages.error(request, INVALID_LINK)
        except people.Taken:
            messages.error(request, "Nothing was changed, because another account has this address.")
        else:
            address.tell_former(request, user, former)
            messages.success(request, f"{email} is your address.")
            if invitations.pending(request.session):
                return redirect("fleets:invitation-accept")
        return redirect("account_email_change")
    return render(request, "account/address_prove.html", context(request, "email") | {"email": email})
