"""The page on which administrators create a fleet."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from dashboard.http.scope import person, signed_in
from dashboard.pages.fleets.forms import NewFleetForm
from dashboard.pages.fleets.wording import about, taken
from dashboard.pages.parts.own_organization import own_organization
from devices import clock
from fleets.models import Role
from fleets.services import fleets
from fleets.text import isolated


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new(request: HttpRequest, organization: str) -> HttpResponse:
    """Create a fleet and lead to its keys; 404 to strangers, 403 to members below Administrator."""
    own, at = own_organization(request, organization, Role.ADMINISTRATOR), clock.now()
    form = NewFleetForm(request.POST or None, typed=own.organization.has_plan)
    if form.is_valid():
        try:
            fleet = fleets.create(
                organization=own.organization,
                actor=person(request),
                slug=form.cleaned_data["slug"],
                at=at,
                **form.settings,
            )
        except fleets.SlugTaken:
            form.add_error("slug", taken(form.cleaned_data["slug"]))
        else:
            messages.success(request, f"{isolated(fleet)} was created. With a key its devices can register.")
            return redirect("fleets:fleet-keys", fleet.slug)
    context = own.context("fleet-new", at=at, form=form, about=about(own.organization))
    return render(request, "settings/fleet_new.html", context)
