"""What the pages of the account share: they require a signed-in person and are in the frame of settings."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from dashboard.account import people
from dashboard.http.scope import person, request_scope, signed_in
from devices import clock
from fleets.access.people import must_prove

if TYPE_CHECKING:
    from collections.abc import Callable

PROVE_FIRST: Final = (
    "Nothing was added. Confirm your e-mail address first. Otherwise a person who only typed the address "
    "could keep access."
)


def context(request: HttpRequest, tab: str) -> dict[str, Any]:
    """The context that templates/account/settings.html expects; `tab` is the entry of the side navigation."""
    return {"scope": request_scope(request), "nav": "settings", "tab": tab, "at": clock.now()}


def placed(view: Callable[..., HttpResponseBase], tab: str) -> Callable[..., HttpResponseBase]:
    """A view of allauth as a settings page: for signed-in people, with the side navigation at `tab`."""

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if isinstance(response, TemplateResponse) and not response.is_rendered:
            response.context_data = context(request, tab) | (response.context_data or {})
        return response

    return signed_in(wrapper)


def prove_first(request: HttpRequest) -> HttpResponseBase:
    """Redirect to the page on which the person confirms their address, with a message that tells why."""
    messages.error(request, PROVE_FIRST)
    return redirect("account_email_change")


def proven(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view decorator for pages that add a way to sign in: the account's address must be confirmed.

    Otherwise a person who only typed the address would keep access after its owner resets the password.
    """
    serialized = in_turn(view)

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if must_prove(person(request)):
            return prove_first(request)
        return serialized(request, *args, **kwargs)

    return wrapper


def in_turn(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view decorator that runs a person's POSTs one after another, each in a transaction.

    So the second of two requests at once finds what the first has added.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with transaction.atomic():
            people.hold(person(request))
            return view(request, *args, **kwargs)

    return wrapper
