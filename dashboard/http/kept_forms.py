"""Forms that outlive their session: entered values are preserved, to be sent once the person is signed in.

Before a form is sent, the page's script (static/forms.js) asks here whose session it is. Without the script,
or if the session has just ended, the response has the form with the entered values and a valid CSRF token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.views.csrf import csrf_failure
from django.views.decorators.http import require_safe

TOKEN: Final = "csrfmiddlewaretoken"  # noqa: S105 - the name of the field
# Forms with a field whose name matches contain secrets: they are not preserved.
SECRET: Final = re.compile("password|credential|code")
# Fields that a person does not fill in, so that the page does not list them as entered.
UNTYPED: Final = {"action", "from", "newest", "next", "preview", "query", "seen", "sel"}


@require_safe
def session(request: HttpRequest) -> HttpResponse:
    """JSON with the person of the session ("" if nobody) and a CSRF token for the forms of their page."""
    user = request.user
    person = str(user.pk) if user.is_authenticated else ""
    return JsonResponse({"person": person, "name": user.get_username(), "token": get_token(request)})


def old_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The response to a form whose CSRF token is of an earlier session; Django's refusal if not preserved."""
    return _preserved(request) or csrf_failure(request, reason)


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: answers with the preserved form where it would be lost by a redirect to sign in."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        signed_out = request.method == "POST" and not request.user.is_authenticated
        response = get_response(request)
        return _preserved(request) or response if signed_out and _leads_to_sign_in(response) else response

    return answer


def _leads_to_sign_in(response: HttpResponseBase) -> bool:
    path = urlsplit(response.headers.get("Location", "")).path
    return response.status_code == 302 and path in {reverse("account_login"), reverse("admin:login")}


def _preserved(request: HttpRequest) -> HttpResponse | None:
    """A page with the form's entered values, to send again; None if they must not be preserved."""
    fields = [(name, value) for name, values in request.POST.lists() for value in values if name != TOKEN]
    if not fields or request.FILES or any(SECRET.search(name) for name, _ in fields):
        return None
    if not _is_same_origin(request):
        return None
    typed = [(name.replace("_", " "), value) for name, value in fields if value and name not in UNTYPED]
    return render(request, "kept.html", {"fields": fields, "typed": typed}, status=403)


def _is_same_origin(request: HttpRequest) -> bool:
    """Whether the form is from this site: another site must not get its values sent with a valid token."""
    own_origin = f"{request.scheme}://{request.get_host()}"
    return (
        request.headers.get("Sec-Fetch-Site") == "same-origin" or request.headers.get("Origin") == own_origin
    )
