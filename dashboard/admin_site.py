"""Django's admin with the site's own sign-in, so that second factors are required for it as well."""

from __future__ import annotations

from typing import Any

from allauth.account import views as account
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.http import require_POST, require_safe

from dashboard.http import arrival
from devices.ingest import proxy_check


class Site(AdminSite):
    def get_urls(self) -> list[URLPattern | URLResolver]:
        view = self.admin_view(require_safe(self.arrival))
        return [path("arrival/", view, name="arrival"), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, (extra_context or {}) | {"findings": proxy_check.findings()})

    def arrival(self, request: HttpRequest) -> HttpResponse:
        """How the request and the last call of a device arrived through proxies, for superusers."""
        if not request.user.is_superuser:
            raise PermissionDenied("Only superusers see how requests arrive.")
        context = self.each_context(request) | arrival.seen(request)
        return TemplateResponse(request, "admin/arrival.html", context)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the sign-in page; PermissionDenied for people who are signed in but no staff."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied("The admin is for the administrators of the site.")
        return redirect_to_login(request.GET.get("next", "/admin/"))

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        answer: HttpResponseBase = require_POST(account.logout)(request)
        return answer

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")
