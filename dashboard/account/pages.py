"""Where the pages of the account stand: signed in, in the settings, with their side navigation."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.template.response import TemplateResponse

from dashboard.pages import scope, signed_in
from devices import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


def context(request: HttpRequest, tab: str) -> dict[str, Any]:
    """What templates/account/settings.html expects; `tab` names the entry of the side navigation."""
    return {"scope": scope(request), "nav": "settings", "tab": tab, "at": clock.now()}


def placed(view: Callable[..., HttpResponseBase], tab: str) -> Callable[..., HttpResponseBase]:
    """A page of allauth's, as one of ours: it still says what it says, in our frame."""

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if isinstance(response, TemplateResponse) and not response.is_rendered:
            response.context_data = context(request, tab) | (response.context_data or {})
        return response

    return signed_in(wrapper)
