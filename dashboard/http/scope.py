"""The scope of a page: its signed-in person, their organizations and roles; and the theme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django_htmx.middleware import HtmxDetails

from dashboard.http.request_limits import THEMES
from fleets.access.roles import May, allowed
from fleets.models import Organization, Role
from fleets.postgres.fragment import compiled

if TYPE_CHECKING:
    from dashboard.models import User

P = ParamSpec("P")
KNOWN: Final = "_lookout_scope"  # where a request keeps its scope


@dataclass(frozen=True)
class Scope:
    """The organizations of the signed-in person, and the one that the page is narrowed to, if any.

    `roles` are the person's by primary key of the organization; pages use them for buttons only, as services
    check permissions themselves.
    """

    organizations: list[Organization]
    organization: Organization | None
    roles: dict[int, Role]

    @property
    def chosen(self) -> list[Organization]:
        """The organizations that the page is about: the one it is narrowed to, or all of the person's."""
        return [self.organization] if self.organization else self.organizations

    def may(self, organization_id: int) -> May:
        """What the person's role in this organization allows."""
        return allowed(self.roles.get(organization_id))

    @property
    def may_somewhere(self) -> May:
        """What the person's role allows in at least one of the chosen organizations."""
        held = [self.roles[organization.pk] for organization in self.chosen]
        return allowed(max(held, key=list(Role).index, default=None))

    @property
    def administered(self) -> list[Organization]:
        """The chosen organizations in which the person is Administrator or Owner."""
        return [organization for organization in self.chosen if self.may(organization.pk).administrator]


def request_scope(request: HttpRequest) -> Scope:
    """The scope of a request; raises Http404 if `?org=` names no organization of the person.

    A request that changes nothing reads it once.
    """
    if request.method != "GET":
        return _read(request)
    known: dict[str, Scope] = vars(request)
    return known.get(KNOWN) or known.setdefault(KNOWN, _read(request))


def _read(request: HttpRequest) -> Scope:
    user = request.user
    mine: list[Any] = list(Organization.objects.raw(_with_role(), [user.pk])) if user.is_authenticated else []
    roles = {membership.pk: Role(membership.role) for membership in mine}
    slug = request.GET.get("org")
    if not slug:
        return Scope(mine, None, roles)
    for organization in mine:
        if organization.slug == slug:
            return Scope(mine, organization, roles)
    raise Http404("No such organization")


@cache
def _with_role() -> str:
    """The SQL of `with_role_of` somebody, compiled once: that takes three times as long as the rest."""
    return compiled(Organization.objects.with_role_of(get_user_model()(pk=0)))[0]


def signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A view decorator: only for signed-in people, and the response must not be cached.

    Others are redirected to the sign-in page; a refresh of htmx by the header HX-Redirect, so that no form
    is put into the live region.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            response = view(request, *args, **kwargs)
            add_never_cache_headers(response)
            return response
        if request.headers.get("HX-Request") == "true":  # back to the page that asked, not to a part of it
            page = HtmxDetails(request).current_url_abs_path or request.get_full_path()
            return HttpResponse(status=401, headers={"HX-Redirect": _sign_in(page)})
        return HttpResponseRedirect(_sign_in(request.get_full_path()))

    return wrapper


def _sign_in(then: str) -> str:
    """The address of the sign-in page that leads on to this one."""
    return f"{reverse('account_login')}?{urlencode({'next': then})}"


def person(request: HttpRequest) -> User:
    """The account of a request to a view that is `signed_in`."""
    return cast("User", request.user)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Store the theme, light or dark, in a cookie; any other value deletes it, to follow the system."""
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
