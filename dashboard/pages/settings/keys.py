"""The pages of provisioning keys of a fleet and service keys of an organization. A new key is shown once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.key_rows import listed
from dashboard.pages.parts.own_organization import administered, own_organization
from devices import clock, keys
from devices.keys import once as key_once
from devices.models import ApiKey
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import Role
from fleets.text import Words, isolated

Maker = Callable[..., str]
PERIODS: Final = {
    "": "Never",
    "1": "After a day",
    "7": "After a week",
    "30": "After 30 days",
    "90": "After 90 days",
    "365": "After a year",
}


class KeyForm(forms.Form):
    name = Words(
        max_length=100,
        help_text="A name to recognize it by. The key itself is only shown when it is created.",
        widget=forms.TextInput({"class": "form-control", "autocomplete": "off"}),
    )
    days = forms.ChoiceField(
        label="Expires",
        required=False,
        choices=list(PERIODS.items()),
        widget=forms.Select({"class": "form-control"}),
    )

    def said(self, at: datetime) -> dict[str, Any]:
        """The name of a key that is created at `at`, and when it expires (None: never)."""
        days = self.cleaned_data["days"]
        end = at + timedelta(days=int(days)) if days else None
        return {"name": self.cleaned_data["name"], "expires_at": end}


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def provisioning(request: HttpRequest, slug: str) -> HttpResponse:
    """The provisioning keys of a fleet; for its administrators."""
    fleet, own = administered(request, slug)

    def make(**values: Any) -> str:
        return keys.new_provisioning_key(fleet, actor=person(request), **values)

    api_keys = ApiKey.objects.filter(kind=ApiKey.Kind.PROVISIONING, fleet=fleet)
    most = {"per_hour": settings.REGISTRATIONS_PER_HOUR, "per_key": settings.REGISTRATIONS_PER_KEY}
    return _page(
        request, "settings/fleet_keys.html", api_keys, make, own.context(f"fleet:{slug}", fleet=fleet, **most)
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def service(request: HttpRequest, organization: str) -> HttpResponse:
    """The service keys of an organization's VPN servers; for its administrators."""
    own = own_organization(request, organization, Role.ADMINISTRATOR)
    owner = own.organization

    def make(**values: Any) -> str:
        return keys.new_service_key(owner, actor=person(request), **values)

    api_keys = ApiKey.objects.filter(kind=ApiKey.Kind.SERVICE, organization=owner)
    return _page(request, "settings/keys.html", api_keys, make, own.context("keys"))


@require_POST
@signed_in
def revoke_provisioning(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Accept the key no more."""
    fleet, _ = administered(request, slug)
    _revoke(request, key, ApiKey.objects.filter(kind=ApiKey.Kind.PROVISIONING, fleet=fleet))
    return redirect("fleets:fleet-keys", slug)


@require_POST
@signed_in
def revoke_service(request: HttpRequest, organization: str, key: str) -> HttpResponse:
    """Accept the key no more."""
    owner = own_organization(request, organization, Role.ADMINISTRATOR).organization
    _revoke(request, key, ApiKey.objects.filter(kind=ApiKey.Kind.SERVICE, organization=owner))
    return redirect("fleets:keys", organization)


def _page(
    request: HttpRequest, template: str, api_keys: QuerySet[ApiKey], make: Maker, context: dict[str, Any]
) -> HttpResponse:
    """The list of keys; a POST creates a key, which only its response shows, and nobody stores.

    The form has the fingerprint of the newest key. A reload sends the fingerprint of an older one, so that
    it creates no second key and leads back to the list.
    """
    at, new = clock.now(), ""
    rows = listed(api_keys, at)
    form = KeyForm(request.POST or None)
    if form.is_valid():
        seen, once = request.POST.get("newest", ""), partial(make, **form.said(at))
        try:
            new = key_once.create(organization=context["organization"], keys=api_keys, seen=seen, make=once)
        except ChangedMeanwhile:
            messages.error(request, TWICE)
            return redirect(request.path)
        form, rows = KeyForm(), listed(api_keys, clock.now())
    context |= {"at": at, "form": form, "rows": rows, "new": new, "newest": key_once.newest(api_keys)}
    return render(request, template, context)


TWICE: Final = (
    "No key was created, because another one was created since this form was opened. A key is shown only"
    " when it is created. If you do not have it, revoke it and create a new one."
)


def _revoke(request: HttpRequest, fingerprint: str, api_keys: QuerySet[ApiKey]) -> None:
    """Revoke the key with this fingerprint; raises Http404 if it is not among `api_keys`."""
    found = keys.named(fingerprint)
    if found is None or not api_keys.filter(pk=found.pk).exists():
        raise Http404("No such key")
    done = keys.revoke(found, actor=person(request))
    name = isolated(found.name or fingerprint)
    messages.success(
        request, f"The key {name} is revoked." if done else f"The key {name} was already revoked."
    )
