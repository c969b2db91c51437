"""What every page shares: who may see it, whose devices it is about, and how its live region is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast
from urllib.parse import urlencode

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    HttpResponseRedirect,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboard import __version__
from dashboard.http.request_limits import THEMES
from devices import clock
from fleets.access.roles import May, allowed
from fleets.models import Organization, Role

if TYPE_CHECKING:
    from dashboard.models import User

P = ParamSpec("P")
PINNED_MOST = 100  # rows on the longest page
TAG, SHOWN = "HX-PTag", "HX-Shown"  # headers: what is shown by its polling tag, and the rows on screen


@dataclass(frozen=True)
class Scope:
    """The organizations of the signed-in person, and the one the page is narrowed to, if any.

    `roles` are the person's, by organization: for buttons. What may be done the services decide.
    """

    organizations: list[Organization]
    organization: Organization | None
    roles: dict[int, Role]

    @property
    def chosen(self) -> list[Organization]:
        """What the page is about: the one organization, or all of mine."""
        return [self.organization] if self.organization else self.organizations

    def may(self, organization_id: int) -> May:
        """What the person's role in this organization allows."""
        return allowed(self.roles.get(organization_id))

    @property
    def may_somewhere(self) -> May:
        """What the person may do in one of the chosen ones at least."""
        held = [self.roles[each.pk] for each in self.chosen]
        return allowed(max(held, key=list(Role).index, default=None))

    @property
    def administered(self) -> list[Organization]:
        """Those of the chosen ones that the person administers."""
        return [each for each in self.chosen if self.may(each.pk).administrator]


def scope(request: HttpRequest) -> Scope:
    """The scope of this page; Http404 where `?org=` names no organization of mine."""
    user = request.user
    mine = list(Organization.objects.with_role_of(user)) if user.is_authenticated else []
    roles = {each.pk: Role(each.role) for each in mine}
    slug = request.GET.get("org")
    if not slug:
        return Scope(mine, None, roles)
    for organization in mine:
        if organization.slug == slug:
            return Scope(mine, organization, roles)
    raise Http404("No such organization")


def signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Show a page to people who are signed in, and let nobody keep it.

    Strangers are led to the sign-in page; a refresh by header, so that no form lands in the live region.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            response = view(request, *args, **kwargs)
            add_never_cache_headers(response)
            return response
        address = f"{reverse('account_login')}?{urlencode({'next': request.get_full_path()})}"
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=401, headers={"HX-Redirect": address})
        return HttpResponseRedirect(address)

    return wrapper


def person(request: HttpRequest) -> User:
    """Who asks for a page that is `signed_in`."""
    return cast("User", request.user)


def tag_of(shown: object, at: datetime) -> str:
    """The polling tag of a page: the same as long as it would show the same.

    `shown` is everything the region says, as values with a stable repr. Relative times tick in the browser
    and need no new tag, but day, time zone, the site's words and the version change how values read.
    """
    frame = (
        __version__,
        timezone.localdate(at),
        timezone.get_current_timezone_name(),
        settings.VPN_WORD,
        settings.FLEET_WORD,
        settings.CLOUD_NAME,
        settings.SIMPLE_STATUSES,
    )
    return blake2b(repr((frame, shown)).encode(), digest_size=16).hexdigest()


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for the live region alone."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"


def on_screen(request: HttpRequest) -> list[str]:
    """The rows that a refresh says are on screen, in order, by what names them; none for a whole page."""
    if not wants_fragment(request):
        return []
    return [name for name in dict.fromkeys(request.headers.get(SHOWN, "").split(",")) if name][:PINNED_MOST]


def live_page(
    request: HttpRequest, template: str, context: dict[str, Any], *, at: datetime, shown: object
) -> HttpResponse:
    """The whole page, its partial `live` to htmx, or 304 where htmx already shows the same.

    `at` is the clock of everything in `context`; `shown` is what decides the polling tag (see tag_of).
    """
    silence = clock.told(at)
    tag = tag_of((silence, shown), at)
    fragment = wants_fragment(request)
    if fragment and request.headers.get(TAG) == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        context |= {"at": at, "tag": tag, "silence": silence}
        response = render(request, f"{template}#live" if fragment else template, context)
    return live_answer(response, tag, at)


def live_answer(response: HttpResponse, tag: str, at: datetime) -> HttpResponse:
    """An answer about a live region, with what the page needs to know of it."""
    response[TAG] = tag
    response["Lookout-Now"] = str(int(at.timestamp() * 1000))
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request", TAG, SHOWN, "Cookie"])
    return response


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie; anything but light or dark follows the system again."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse(settings.LOGIN_REDIRECT_URL)
    response = HttpResponseRedirect(back)
    if request.POST.get("theme") in THEMES:
        response.set_cookie(
            "theme",
            request.POST["theme"],
            max_age=365 * 24 * 3600,
            samesite="Lax",
            secure=request.is_secure(),
            httponly=True,
        )
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response
