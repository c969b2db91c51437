"""The list of a person's organizations, and pages that create, rename and delete one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.http.scope import person, request_scope, signed_in
from dashboard.pages.parts.own_organization import OwnOrganization, own_organization
from dashboard.pages.settings.organization_forms import DeleteForm, NameForm
from devices import clock
from fleets.models import Role
from fleets.services import organizations
from fleets.text import isolated


@require_safe
@signed_in
def mine(request: HttpRequest) -> HttpResponse:
    """The organizations of the person, with their role in each."""
    scope = request_scope(request)
    rows = [(organization, scope.roles[organization.pk]) for organization in scope.organizations]
    context = {"nav": "settings", "scope": scope, "at": clock.now(), "rows": rows}
    return render(request, "settings/organizations.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Create an organization, whose Owner is the person; for anyone who is signed in."""
    user, form = person(request), NameForm(request.POST or None)
    if form.is_valid():
        try:
            seen = request.POST.get("newest")
            made = organizations.create(name=form.cleaned_data["name"], actor=user, seen=seen)
        except organizations.TooMany as reached:
            form.add_error("name", str(reached))
        else:
            messages.success(request, f"{made} was created. You are its Owner.")
            return redirect("fleets:organization", made.slug)
    context = {"nav": "settings", "scope": request_scope(request), "at": clock.now(), "form": form}
    context |= {"most": organizations.MOST, "newest": organizations.newest(user)}
    return render(request, "settings/organization_new.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def general(request: HttpRequest, organization: str) -> HttpResponse:
    """The name of the organization and the person's role in it; Owners rename it here."""
    least = Role.OWNER if request.method == "POST" else Role.OBSERVER
    own = own_organization(request, organization, least)
    form = NameForm(request.POST or None, initial={"name": own.organization.name})
    if form.is_valid():
        name = form.cleaned_data["name"]
        organizations.rename(organization=own.organization, name=name, actor=person(request))
        messages.success(request, f"It is now called {isolated(name)}. Its address stays the same.")
        return redirect("fleets:organization", organization)
    return shown(request, own, name_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def delete(request: HttpRequest, organization: str) -> HttpResponse:
    """Delete an organization without devices after its address was typed, for Owners."""
    own = own_organization(request, organization, Role.OWNER)
    form = DeleteForm(own.organization, request.POST or None)
    if form.is_valid():
        try:
            organizations.delete(organization=own.organization, actor=person(request))
        except organizations.HasDevices as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{own.organization} was deleted.")
            return redirect("fleets:organizations")
    what = organizations.contents(own.organization)
    context = own.context("general", form=form, contents=what)
    return render(request, "settings/organization_delete.html", context)


def shown(request: HttpRequest, own: OwnOrganization, **more: Any) -> HttpResponse:
    return render(request, "settings/organization.html", own.context("general", **more))
